//! What comes out of one file: code and positions.

use oxc_sourcemap::SourceMap;

use super::*;
use crate::model::diagnostic::line_and_column;

pub fn entry(path: &str, source: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let language = Language::of(path).expect("tests use known extensions");
    compile(path, source, language, Role::Entry, &|name| {
        Ok(name.to_owned())
    })
}

fn code(path: &str, source: &str) -> String {
    entry(path, source)
        .unwrap_or_else(|problems| panic!("{}", problems[0]))
        .code
}

#[test]
fn a_body_becomes_a_function_with_its_imports_before_it() {
    let source = "// @mode serverless
import { db, type Row } from './db'
import data from './x.json' with { type: 'json' }
import type { Gone } from 'nowhere'
'use strict'
const row: Row = await db(req.url)
import { late } from './late'
if (!row) return res.status(404).json({ error: 'no row' as const })
let count = 0
function bump(by: number) { count += by }
return { row, data, late, count }";
    insta::assert_snapshot!(code("api/x.ts", source), @r#"
    import { db } from "./db";
    import data from "./x.json";
    import { late } from "./late";
    export default async function(req, res, metadata, shared) {
    	("use strict");
    	const row = await db(req.url);
    	if (!row) return res.status(404).json({ error: "no row" });
    	let count = 0;
    	function bump(by) {
    		count += by;
    	}
    	return {
    		row,
    		data,
    		late,
    		count
    	};
    }
    "#);
}

#[test]
fn a_body_is_async_only_when_it_awaits() {
    for (source, is_async) in [
        ("return 1", false),
        ("const f = async () => await g(); return f()", false),
        (
            "async function f() { for await (const x of y) ; }\nreturn f()",
            false,
        ),
        (
            "class C { async m() { await 1 } }\nreturn new C().m()",
            false,
        ),
        ("return await f()", true),
        ("if (x) { y = [1, { z: await f() }] }", true),
        ("for await (const x of y) ;", true),
        ("{ await using x = f(); }", true),
        ("class C { [await f()]() {} }", true),
        ("return `${await f()}`", true),
    ] {
        let code = code("a.ts", source);
        let found = code.contains("export default async function");
        assert_eq!(found, is_async, "{source}: {code}");
    }
}

#[test]
fn a_body_may_declare_the_names_of_the_parameters() {
    let source = "import { metadata } from './m'
import * as shared from './s'
const _req = 1
const { req } = { req: _req }
class res {}
return [req, res, metadata, shared]";
    insta::assert_snapshot!(code("x.ts", source), @r#"
    import { metadata } from "./m";
    import * as shared from "./s";
    export default function(__req, _res, _metadata, _shared) {
    	const _req = 1;
    	const { req } = { req: _req };
    	class res {}
    	return [
    		req,
    		res,
    		metadata,
    		shared
    	];
    }
    "#);
    // These keep the value they are given, as they would in the function.
    insta::assert_snapshot!(code("x.ts", "var req = req || 1; function res() {}"), @r#"
    export default function(req, res, metadata, shared) {
    	var req = req || 1;
    	function res() {}
    }
    "#);
}

#[test]
fn common_js_gets_its_names_and_is_exported() {
    let source = "'use strict'
import helper from './helper.js'
module.exports = async (req, res) => helper(req)
exports.extra = 1";
    insta::assert_snapshot!(code("x.js", source), @r#"
    const module = { exports: {} }; let exports = module.exports;
    "use strict";
    import helper from "./helper.js";
    module.exports = async (req, res) => helper(req);
    exports.extra = 1;
    export default module.exports;
    "#);
}

#[test]
fn modules_stay_modules() {
    let node = "#!/usr/bin/env footpath\nexport default (req: any, res: any) => ({ a: 1 })";
    insta::assert_snapshot!(code("x.ts", node), @"export default (req, res) => ({ a: 1 });");
    let web = "export default { async fetch(request: Request) { return Response.json(1) } } satisfies Handler";
    insta::assert_snapshot!(code("x.ts", web), @r"
    export default { async fetch(request) {
    	return Response.json(1);
    } };
    ");
    let evaluate = "const app = make<App>()\nexport { app as default }";
    insta::assert_snapshot!(code("x.ts", evaluate), @r"
    const app = make();
    export { app as default };
    ");
    let library = "export const a = 1; export type B = 1; export { c, type D } from './c'; export * from './e'";
    insta::assert_snapshot!(code("x.ts", library), @r#"
    export const a = 1;
    export { c } from "./c";
    export * from "./e";
    "#);
}

#[test]
fn typescript_is_lowered() {
    let source = "enum Color { Red, Green = 'g', Blue = 1 << 3 }
const enum Size { Small = 1, Large }
namespace Tools { export const x = 1; export function f() { return x } }
abstract class A<T> { constructor(private readonly a: number, public b = 2) {}
  declare c: string; abstract d(): T; override e?: number; #f = 1; static { } }
export const f = <T,>(x: T): x is NonNullable<T> => x! as any satisfies unknown
export function g(this: Window, a?: string, ...rest: unknown[]): asserts a {}
let h!: number; let i = <any>h; declare const j: number";
    insta::assert_snapshot!(code("x.ts", source), @r#"
    var Color = function(Color) {
    	Color[Color["Red"] = 0] = "Red";
    	Color["Green"] = "g";
    	Color[Color["Blue"] = 8] = "Blue";
    	return Color;
    }(Color || {});
    var Size = function(Size) {
    	Size[Size["Small"] = 1] = "Small";
    	Size[Size["Large"] = 2] = "Large";
    	return Size;
    }(Size || {});
    let Tools;
    (function(_Tools) {
    	const x = _Tools.x = 1;
    	function f() {
    		return x;
    	}
    	_Tools.f = f;
    })(Tools || (Tools = {}));
    class A {
    	a;
    	b;
    	constructor(a, b = 2) {
    		this.a = a;
    		this.b = b;
    	}
    	e;
    	#f = 1;
    	static {}
    }
    export const f = (x) => x;
    export function g(a, ...rest) {}
    let h;
    let i = h;
    "#);
}

#[test]
fn decorators_are_lowered() {
    let source =
        "class A { @log x = 1; @log m(@inject a: number) { return a } @log accessor y = 2 }
@service export class B { constructor(@inject private a: A) {} }";
    insta::assert_snapshot!(code("x.ts", source), @r#"
    import _decorate from "typescript:runtime/helpers/decorate";
    import _decorateParam from "typescript:runtime/helpers/decorateParam";
    class A {
    	x = 1;
    	m(a) {
    		return a;
    	}
    	#_y_accessor_storage = 2;
    	get y() {
    		return this.#_y_accessor_storage;
    	}
    	set y(value) {
    		this.#_y_accessor_storage = value;
    	}
    }
    _decorate([log], A.prototype, "x", void 0);
    _decorate([log, _decorateParam(0, inject)], A.prototype, "m", null);
    _decorate([log], A.prototype, "y", null);
    let B = class B {
    	a;
    	constructor(a) {
    		this.a = a;
    	}
    };
    B = _decorate([service, _decorateParam(0, inject)], B);
    export { B };
    "#);
}

#[test]
fn modern_javascript_stays() {
    let source =
        "class A { #a = 1; static #b; static { this.c = 1 } get d() { return this?.#a ?? 0 } }
async function* f() { for await (const x of y) yield* x }
a ||= b ** 2n; using c = d(); await using e = f();
const g = /(?<y>\\d+)\\p{L}/du, h = 1_000, { i, ...j } = k;
label: for (;;) { break label }
try { } catch { }
import.meta.url; export { A }";
    insta::assert_snapshot!(code("x.js", source), @r"
    class A {
    	#a = 1;
    	static #b;
    	static {
    		this.c = 1;
    	}
    	get d() {
    		return this?.#a ?? 0;
    	}
    }
    async function* f() {
    	for await (const x of y) yield* x;
    }
    a ||= b ** 2n;
    using c = d();
    await using e = f();
    const g = /(?<y>\d+)\p{L}/du, h = 1e3, { i, ...j } = k;
    label: for (;;) {
    	break label;
    }
    try {} catch {}
    import.meta.url;
    export { A };
    ");
}

#[test]
fn dynamic_imports_are_resolved_wherever_they_are() {
    let source = "const load = async (name) => ({
  a: await import('./a'), b: [() => import(`./b`, { with: { type: 'json' } })],
  c: import(name + '.js'), d: import(await import('./a')),
})";
    let resolve = |name: &str| Ok(format!("lib/{}.ts", &name[2..]));
    let compiled = compile("x.js", source, Language::JavaScript, Role::Import, &resolve).unwrap();
    assert_eq!(compiled.imports, ["lib/a.ts", "lib/b.ts"]);
    insta::assert_snapshot!(compiled.code, @r#"
    const load = async (name) => ({
    	a: await import("lib/a.ts"),
    	b: [() => import("lib/b.ts")],
    	c: import(name + ".js"),
    	d: import(await import("lib/a.ts"))
    });
    "#);
}

#[test]
fn types_are_not_imported() {
    let source = "import type { A } from './a'
import { type B } from './b'
import { C } from './c'
import { D } from './d'
import './side'
export type { E } from './e'
export type * from './f'
let x: C | import('./g').G = D";
    let compiled = entry("x.ts", source).unwrap();
    assert_eq!(compiled.imports, ["./d", "./side"]);
    // JavaScript has no types: what is imported is meant.
    let compiled = entry("x.js", "import { C } from './c'").unwrap();
    assert_eq!(compiled.imports, ["./c"]);
}

/// For each `«word»` of a source, the generated code must have a token that
/// starts with the word and maps back to exactly where it stands.
#[test]
fn positions_survive() {
    let table = [
        "import { «db» } from './db'\nconst x: number = «db».«get»(1)\n\nreturn «db».«put»(x)",
        "interface A { a: string }\n\nenum B { C }\nif (req) { throw new «TypeError»('x') }",
        "module.exports = (a) => {\n  return a.«call»()\n}",
        "const s = '日本語'; const e = '😀'; «fail»(s as string, <any>e)",
        "/* 日本 */ export default function (req: Request): void { «fail»() }",
        "class A { constructor(private a: number) { this.«run»() } }\nnew «A»(1)",
        "const { a, b } = «load»(); for (const c of a) { await «use»(c, `${«b»}`) }",
        "return <unknown>(await «fetch»('x')) as Promise<Response>",
    ];
    for marked in table {
        let source = marked.replace(['«', '»'], "");
        let compiled = entry("x.ts", &source).unwrap_or_else(|problems| panic!("{}", problems[0]));
        let map = SourceMap::from_json_string(&compiled.source_map).unwrap();
        assert_eq!(map.get_sources().collect::<Vec<_>>(), ["x.ts"]);
        assert_eq!(map.get_source_content(0), Some(source.as_str()));
        let mut removed = 0;
        for (at, _) in marked.match_indices('«') {
            let word = marked[at + '«'.len_utf8()..].split('»').next().unwrap();
            let position = line_and_column(&source, at - removed);
            removed += '«'.len_utf8() + '»'.len_utf8();
            let found = map.get_tokens().any(|token| {
                let line = compiled
                    .code
                    .split('\n')
                    .nth(token.get_dst_line() as usize)
                    .unwrap();
                let from_units = |text: &str, units: u32| {
                    String::from_utf16(
                        &text.encode_utf16().skip(units as usize).collect::<Vec<_>>(),
                    )
                };
                let source_line = source
                    .split('\n')
                    .nth(token.get_src_line() as usize)
                    .unwrap();
                let before: Vec<u16> = source_line
                    .encode_utf16()
                    .take(token.get_src_col() as usize)
                    .collect();
                let column = String::from_utf16(&before).map_or(0, |text| text.chars().count());
                (token.get_src_line() + 1, u32::try_from(column).unwrap() + 1) == position
                    && from_units(line, token.get_dst_col())
                        .is_ok_and(|rest| rest.starts_with(word))
            });
            assert!(
                found,
                "{word} at {position:?} of {source}\n{}",
                compiled.code
            );
        }
    }
}
