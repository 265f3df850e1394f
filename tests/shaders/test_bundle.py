import re

import pytest

from petri import viewer
from petri.shaders.bundle import bundle


def put_together(**modules):
    return bundle(
        "a.js", read=lambda path: modules[path.removesuffix(".js").replace("/", "_").replace(".", "_")]
    )


def test_each_module_comes_once_before_those_that_import_it():
    text = put_together(
        a='import { b } from "./b.js";\nimport c, { d as e } from "./lib/c.js";\nb(c, e);\n',
        b='import * as all from "./lib/c.js";\nexport function b() {}\n',
        lib_c='import "./d.glsl.js";\nexport default `x`;\nconst d = 1;\nexport { d, d as f };\n',
        lib_d_glsl="export const g = 1;\nexport class H {}\nexport async function i() {}\n",
    )
    assert re.findall(r"^// (\S+)$", text, re.M) == ["lib/d.glsl.js", "lib/c.js", "b.js", "a.js"]
    assert not re.search(r"^(import|export)\b", text, re.M)
    assert "return { d, f: d, default: byDefault };" in text and "return { g, H, i };" in text
    assert "const { b } = module" in text and "const c = module" in text and "const { d: e } = module" in text


def test_letters_are_written_so_that_every_page_reads_them():
    assert 'const a = "\\u00b7 \\ud83e\\udd8b";\n' in put_together(a='const a = "· 🦋";\n')
    assert bundle("petri-dish.js").isascii()


WRONG = {
    "a circle": ({"a": 'import "./b.js";\n', "b": 'import "./a.js";\n'}, "a.js → b.js → a.js"),
    "import()": ({"a": 'const x = await import("./b.js");\n'}, "a.js is not written"),
    "import.meta": ({"a": "fetch(import.meta.url);\n"}, "a.js is not written"),
    "export from": ({"a": 'export { b } from "./b.js";\n', "b": ""}, "a.js is not written"),
    "a module elsewhere": ({"a": 'import x from "https://cdn.example/x.js";\n'}, "a.js is not written"),
    "export let": ({"a": "export let x = 1;\n"}, "a.js is not written"),
}


@pytest.mark.parametrize(("modules", "message"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_put_together_is_refused(modules, message):
    with pytest.raises(ValueError, match=message):
        put_together(**modules)


@pytest.mark.parametrize("entry", ["app.js", "petri-dish.js"])
def test_the_viewer_can_be_put_together(entry):
    text = bundle(entry)
    assert "class Dish" in text and "gl_FragCoord" in text
    assert text.count("// lib/dish.js\n") == 1 and text == bundle(entry)


def test_the_compiled_step_belongs_to_its_source():
    import hashlib

    digest = hashlib.sha256((viewer.ROOT / "lib/step.c").read_bytes()).hexdigest()
    assert f'source = "{digest}"' in viewer.text("lib/step.wasm.js"), "step.c has changed: run `make wasm`"
