// What a decoder paints, in GLSL: a template like step.glsl.js.
export default `#version 300 es
// petri: a picture that a decoder paints of a state, every pixel at once.
//   {{description}}
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;

uniform sampler2DArray state;    // layer g holds channels 4g .. 4g+3
//#if triangles
uniform bool shown;              // bounded, and lit if so; else as it is
flat in uvec3 nodes;             // the corners of the triangle, which lie in the state row after row
in vec3 shares;                  // how near the point lies to each
//#else
uniform sampler2D lines;         // texel (x, 0) is of the picture's columns, texel (y, 1) of its rows: x, y: the cells
                                 // before and after it, -1 beyond the edge; z: the share of the one after it;
                                 // w: where in its patch it lies, -1 .. 1
uniform bool shown;              // bounded, and on a ground; else as it is
uniform vec4 ground;             // premultiplied by alpha
//#end

//#if material
uniform int map;                 // 0: the surface under a light, 1: its albedo, 2: height, 3: roughness, 4: occlusion,
                                 // 5: normals
uniform vec4 light;              // where it is, in pixels right, up and out of the picture's lower left corner; or,
                                 // where w = 0, the direction that it comes from
uniform float pixel;             // of the picture, as a share of the grid's side
//#end

out vec4 painted;                // RGB, premultiplied by alpha, and alpha

// In vec4s, of every four units of a layer: their biases, then their weights from each input; layer after layer.
//#if block
layout(std140) uniform Weights {
    vec4 weights[{{texels}}];
};

vec4 weight(int texel) {
    return weights[texel];
}
//#else
uniform sampler2D weights;       // they begin in row {{below}} of it, {{at}} texels from its left edge on

vec4 weight(int texel) {
    int at = {{at}} + texel;
    return texelFetch(weights, ivec2(at % {{columns}}, {{below}} + at / {{columns}}), 0);
}
//#end

const int GROUPS = {{groups}};
const float PI = 3.14159265359;
const float HALF = 1.57079632679;

vec4 given[{{given}}];           // the state there, and where in its patch the pixel lies
vec4 odd[{{quads}}];             // what the first layer of sines says, the third, ...
vec4 even[{{quads}}];            // the second, the fourth, ...

//#if triangles
vec4 node(uint number, int group) {
    int across = textureSize(state, 0).x;
    return texelFetch(state, ivec3(int(number) % across, int(number) / across, group), 0);
}

// Where in its triangle a point lies; as petri/nca/spots.py.
vec3 place(vec3 near) {
    float great = max(max(near.x, near.y), near.z);
    float middle = max(min(near.x, near.y), min(max(near.x, near.y), near.z));
    float small = min(min(near.x, near.y), near.z);
    float less = 3.0 * great - 1.0, rest = 1.0 - great, half_gone = 1.0 - 2.0 * middle, gone = 1.0 - 3.0 * small;
    return 2.0 * vec3(
        great < 0.5 ? less * less : 1.0 - 3.0 * rest * rest,
        middle < 1.0 / 3.0 ? 6.0 * middle * middle : 1.0 - 3.0 * half_gone * half_gone,
        1.0 - gone * gone) - 1.0;
}
{{lamp}}
//#else
vec4 cell(float x, float y, int group) {
    return x < 0.0 || y < 0.0 ? vec4(0.0) : texelFetch(state, ivec3(int(x), int(y), group), 0);
}

// Four channels of the state between its cells.
vec4 between(vec4 column, vec4 row, int group) {
    vec4 above = mix(cell(column.x, row.x, group), cell(column.y, row.x, group), column.z);
    vec4 below = mix(cell(column.x, row.y, group), cell(column.y, row.y, group), column.z);
    return mix(above, below, row.z);
}
//#end

// Sines, by a polynomial: those that GPUs have built in are off by as much as 2e-4.
vec4 wave(vec4 angle) {
    vec4 half_turns = floor(angle * 0.318309886 + 0.5);
    vec4 x = (angle - half_turns * 3.140625) - half_turns * 9.67653590e-4;
    vec4 square = x * x;
    vec4 sine = x + x * square *
        (-0.166666571 + square * (8.33301635e-3 + square * (-1.98065471e-4 + square * 2.59990321e-6)));
    return sine * (1.0 - 2.0 * (half_turns - 2.0 * floor(0.5 * half_turns)));
}

//#if material
// Four numbers that the last layer says.
vec4 said(int quad) {
    int at = {{last}} + {{stride_last}} * quad;
    vec4 sum = weight(at);
    for (int i = 0; i < {{quads}}; i++) {
        vec4 from = {{from_last}}[i];
        at += 4;
        sum += weight(at - 3) * from.x + weight(at - 2) * from.y + weight(at - 1) * from.z + weight(at) * from.w;
    }
    return sum;
}

// A map, or what all of them come to under a light; as petri/lit.py.
vec3 surface(vec3 seen) {
    if (map == 1) {
        return seen;
    }
    vec3 dull = said(1).rgb;         // height, roughness, occlusion
    if (map > 1 && map < 5) {
        return vec3(map == 2 ? dull.x : map == 3 ? dull.y : dull.z);
    }
    vec3 facing = said(2).rgb;
    if (map == 5) {
        return facing;
    }
    facing = 2.0 * facing - 1.0;
//#if sloped_by_height
    facing = vec3(-vec2(dFdx(dull.x), dFdy(dull.x)) * 0.02 / pixel, 1.0);
//#end
    facing = normalize(vec3(facing.xy, max(facing.z, 1e-3)));
//#if albedo
    vec3 albedo = pow(clamp(seen, 0.0, 1.0), vec3(2.2));
//#else
    vec3 albedo = vec3(0.6);
//#end
    float rough = clamp(dull.y, 0.1, 1.0);
    vec3 towards = normalize(light.w == 0.0 ? light.xyz : light.xyz - vec3(gl_FragCoord.xy, 0.0));
    vec3 between = normalize(towards + vec3(0.0, 0.0, 1.0));
    float met = max(dot(facing, towards), 0.0);
    float along = max(dot(facing, between), 0.0);
    float alpha = rough * rough * rough * rough;
    float ridge = along * along * (alpha - 1.0) + 1.0;
    float spread = alpha / (PI * ridge * ridge);
    float shadow = (rough + 1.0) * (rough + 1.0) / 8.0;
    float hidden = 0.25 / ((met * (1.0 - shadow) + shadow) * (facing.z * (1.0 - shadow) + shadow));
    float thrown = 0.04 + 0.96 * pow(1.0 - between.z, 5.0);
    vec3 back = (1.0 - thrown) * albedo / PI + spread * hidden * thrown;
    vec3 colour = 3.2 * met * back + 0.35 * clamp(dull.z, 0.05, 1.0) * albedo;
    return pow(clamp(colour, 0.0, 1.0), vec3(1.0 / 2.2));
}

//#end
void main() {
//#if triangles
    vec3 near = max(shares, 0.0);    // at an edge of what is seen a pixel's middle may lie beyond its triangle
    near /= near.x + near.y + near.z;
    for (int group = 0; group < GROUPS; group++) {
        given[group] = near.x * node(nodes.x, group) + near.y * node(nodes.y, group) + near.z * node(nodes.z, group);
    }
    vec3 where = place(near);
//#if turning
    for (int k = 1; k <= {{frequencies}}; k++) {
        vec3 turn = PI * float(k) * where;
        given[GROUPS + 2 * k - 2] = wave(vec4(turn, 0.0));
        given[GROUPS + 2 * k - 1] = wave(vec4(turn + HALF, 0.0));
    }
//#else
    given[GROUPS] = vec4(where, 0.0);
//#end
//#else
    vec4 column = texelFetch(lines, ivec2(int(gl_FragCoord.x), 0), 0);
    vec4 row = texelFetch(lines, ivec2(int(gl_FragCoord.y), 1), 0);
    given[0] = between(column, row, 0);
//#if living
    if (!(given[0].a > 0.1)) {       // nothing lives there
        painted = shown ? ground : vec4(0.0);
        return;
    }
//#end
    for (int group = 1; group < GROUPS; group++) {
        given[group] = between(column, row, group);
    }
//#if turning
    for (int k = 1; k <= {{frequencies}}; k++) {
        vec2 turn = PI * float(k) * vec2(row.w, column.w);
        given[GROUPS + k - 1] = wave(vec4(turn, turn + HALF));
    }
//#else
    given[GROUPS] = vec4(row.w, column.w, 0.0, 0.0);
//#end
//#end
//#each sines
    for (int q = 0; q < {{quads}}; q++) {
        int at = {{begin}} + {{stride}} * q;
        vec4 sum = weight(at);
        for (int i = 0; i < {{before}}; i++) {
            vec4 from = {{from}}[i];
            at += 4;
            sum += weight(at - 3) * from.x + weight(at - 2) * from.y + weight(at - 1) * from.z + weight(at) * from.w;
        }
        {{to}}[q] = wave(sum);
    }
//#end
//#if material
    vec4 seen = said(0);
    painted = vec4(shown ? surface(seen.rgb) : seen.rgb, 1.0);
//#else
    painted = weight({{last}});
    for (int i = 0; i < {{quads}}; i++) {
        int at = {{last}} + 4 * i;
        vec4 from = {{from_last}}[i];
        painted += weight(at + 1) * from.x + weight(at + 2) * from.y + weight(at + 3) * from.z + weight(at + 4) * from.w;
    }
//#if !living
    painted.a = 1.0;
//#end
//#end
//#if triangles
    if (shown) {
        painted.rgb = lit(clamp(painted.rgb, 0.0, 1.0));
    }
//#else
    if (shown) {
        float alpha = clamp(painted.a, 0.0, 1.0);
        painted = vec4(painted.rgb, alpha) + (1.0 - alpha) * ground;
        painted.rgb = clamp(painted.rgb, 0.0, painted.a);
    }
//#end
}
`;
