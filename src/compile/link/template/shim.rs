//! The shim of a component, with what the shared form adds to it: a trap for each
//! import that is not granted. It must not know which those are.

use std::collections::BTreeMap;

use wasm_encoder::reencode::{self, Reencode, utils};
use wasm_encoder::{
    CodeSection, ExportKind, ExportSection, Function, FunctionSection, Module, TypeSection,
};
use wasmparser::Parser;

use super::interface::Signature;
use super::layout;
use crate::compile::link::LinkError;

/// The shim with stubs.
pub fn with_stubs(shim: &[u8], stubs: &BTreeMap<String, Signature>) -> Result<Vec<u8>, LinkError> {
    let mut editor = Shim {
        stubs,
        types: 0,
        functions: 0,
    };
    let mut module = Module::new();
    editor
        .parse_core_module(&mut module, Parser::new(0), shim)
        .map_err(|error| layout(&format!("the shim: {error}")))?;
    Ok(module.finish())
}

struct Shim<'a> {
    stubs: &'a BTreeMap<String, Signature>,
    types: u32,
    functions: u32,
}

type ShimResult = Result<(), reencode::Error<std::convert::Infallible>>;

impl Reencode for Shim<'_> {
    type Error = std::convert::Infallible;

    fn parse_type_section(
        &mut self,
        types: &mut TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_type_section(self, types, section)?;
        self.types = types.len();
        for (params, results) in self.stubs.values() {
            types
                .ty()
                .function(params.iter().copied(), results.iter().copied());
        }
        Ok(())
    }

    fn parse_function_section(
        &mut self,
        functions: &mut FunctionSection,
        section: wasmparser::FunctionSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_function_section(self, functions, section)?;
        self.functions = functions.len();
        for index in 0..self.stubs.len() as u32 {
            functions.function(self.types + index);
        }
        Ok(())
    }

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: wasmparser::ExportSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_export_section(self, exports, section)?;
        for (index, name) in self.stubs.keys().enumerate() {
            exports.export(name, ExportKind::Func, self.functions + index as u32);
        }
        Ok(())
    }

    fn parse_code_section(
        &mut self,
        code: &mut CodeSection,
        section: wasmparser::CodeSectionReader<'_>,
    ) -> ShimResult {
        utils::parse_code_section(self, code, section)?;
        for _ in self.stubs {
            let mut trap = Function::new([]);
            trap.instructions().unreachable().end();
            code.function(&trap);
        }
        Ok(())
    }

    fn parse_custom_section(
        &mut self,
        _: &mut Module,
        _: wasmparser::CustomSectionReader<'_>,
    ) -> ShimResult {
        Ok(())
    }
}
