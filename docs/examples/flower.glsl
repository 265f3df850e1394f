// A flower seen from above: two whorls of petals around a golden heart.
// petri grow docs/examples/flower.glsl

const float TAU = 6.2831853;

// How far inside a whorl of petals a point lies: above 0 within, largest along each petal's middle.
float whorl(vec2 p, float petals, float turn, float reach)
{
    float angle = atan(p.y, p.x) + turn;
    float petal = pow(abs(cos(0.5 * petals * angle)), 0.6);
    return reach * (0.45 + 0.55 * petal) - length(p);
}

void mainImage(out vec4 fragColor, in vec2 fragCoord)
{
    vec2 p = (2.0 * fragCoord - iResolution.xy) / iResolution.y;
    float r = length(p);

    vec3 colour = mix(vec3(0.02, 0.10, 0.12), vec3(0.03, 0.20, 0.18), smoothstep(1.4, 0.4, r));

    float outer = whorl(p, 7.0, TAU / 28.0, 0.88);
    if (outer > 0.0)
        colour = mix(vec3(0.55, 0.10, 0.45), vec3(0.95, 0.42, 0.62), smoothstep(0.0, 0.30, outer));

    float inner = whorl(p, 7.0, -TAU / 28.0, 0.56);
    if (inner > 0.0)
        colour = mix(vec3(0.80, 0.25, 0.40), vec3(0.97, 0.78, 0.70), smoothstep(0.0, 0.22, inner));

    if (r < 0.21)
        colour = mix(vec3(0.98, 0.80, 0.20), vec3(0.80, 0.42, 0.05), smoothstep(0.08, 0.21, r));

    fragColor = vec4(colour, 1.0);
}
