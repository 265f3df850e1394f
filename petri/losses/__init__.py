"""Losses: functions of states that give a number a sample, `[batch]`; each in a file of its own."""

from petri.losses.overflow import overflow_loss
from petri.losses.pattern import multi_scale_loss, pattern_loss
from petri.losses.seen import psnr, seen_error

__all__ = ["multi_scale_loss", "overflow_loss", "pattern_loss", "psnr", "seen_error"]
