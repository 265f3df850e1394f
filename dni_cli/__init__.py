"""The commands around decoupled neural interfaces and their data: one file a verb."""
