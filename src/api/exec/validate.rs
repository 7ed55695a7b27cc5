//! `validate/*`: what would be said about code, without storing it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::view::WarningView;
use crate::api::endpoint::{Call, Nothing};
use crate::api::error::ApiError;
use crate::api::reply::Answer;
use crate::exec::return_type;
use crate::exec::validation::{Analysis, Language, is_versioned};
use crate::model::diagnostic::Diagnostic;

#[derive(Debug, Deserialize, ToSchema)]
pub struct CodeRequest {
    pub code: String,
    /// `typescript` or `javascript`.
    pub language: Option<String>,
    /// `.ts` or `.js`; `language` wins.
    pub extension: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptAnswer {
    pub valid: bool,
    pub results: ScriptResults,
    pub message: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptResults {
    pub syntax: Step,
    /// Null for JavaScript.
    pub typescript: Option<Step>,
    pub dependencies: Dependencies,
    #[schema(value_type = Option<Object>)]
    pub magic_comments: Option<Map<String, Value>>,
    pub magic_comment_warnings: Vec<WarningView>,
    /// Whether compiling changes the code.
    pub normalized: bool,
    pub transformations: Vec<&'static str>,
}

/// One step of a validation: `message`, or `error` and `errors`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    pub valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The first error with its code frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Path, line, column, message, frame, hint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub errors: Option<Value>,
    /// In bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transpiled_length: Option<usize>,
}

/// Packages that the code imports. There are none here, so all of them are missing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependencies {
    pub total: usize,
    pub installed: usize,
    pub missing: usize,
    pub missing_modules: Vec<String>,
    pub all_installed: bool,
    /// Those that no import can name, such as `lodash@4`.
    pub invalid_modules: Vec<String>,
}

pub async fn script(call: Call<Nothing, CodeRequest>) -> Result<Answer<ScriptAnswer>, ApiError> {
    let analysis = analyse(&call, Language::TypeScript).await?;
    let is_typescript = analysis.language == Language::TypeScript;
    let (invalid, missing): (Vec<String>, Vec<String>) = analysis
        .packages
        .iter()
        .cloned()
        .partition(|package| is_versioned(package));
    let valid = analysis.compiled.is_ok() && analysis.packages.is_empty();
    let message = match (&analysis.compiled, analysis.packages.first()) {
        (Err(_), _) => "The script does not compile".to_owned(),
        (Ok(_), Some(package)) => {
            format!(
                "`{package}` cannot be imported: only files of the deployment can, such as `./lib.ts`"
            )
        }
        (Ok(_), None) => "The script is valid".to_owned(),
    };
    let typescript = is_typescript.then(|| {
        let length = analysis
            .compiled
            .as_ref()
            .ok()
            .map(|compiled| compiled.code.len());
        Step {
            transpiled_length: length,
            ..step(&analysis, "TypeScript validation successful")
        }
    });
    let results = ScriptResults {
        syntax: step(&analysis, "The syntax is valid"),
        typescript,
        dependencies: Dependencies {
            total: analysis.packages.len(),
            installed: 0,
            missing: analysis.packages.len(),
            missing_modules: missing,
            all_installed: analysis.packages.is_empty(),
            invalid_modules: invalid,
        },
        magic_comment_warnings: analysis
            .parsed
            .warnings
            .iter()
            .map(WarningView::of)
            .collect(),
        normalized: !analysis.transformations().is_empty(),
        transformations: analysis.transformations(),
        magic_comments: Some(analysis.parsed.comments).filter(|comments| !comments.is_empty()),
    };
    Ok(Answer::ok(ScriptAnswer {
        valid,
        results,
        message,
    }))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyntaxAnswer {
    pub valid: bool,
    pub message: String,
    /// In bytes.
    pub code_length: usize,
    pub normalized: bool,
    pub transformations: Vec<&'static str>,
    #[schema(value_type = Vec<Object>)]
    pub errors: Value,
}

/// JavaScript, unless the request says otherwise.
pub async fn syntax(call: Call<Nothing, CodeRequest>) -> Result<Answer<SyntaxAnswer>, ApiError> {
    let analysis = analyse(&call, Language::JavaScript).await?;
    let language = match analysis.language {
        Language::JavaScript => "JavaScript",
        Language::TypeScript => "TypeScript",
    };
    Ok(Answer::ok(SyntaxAnswer {
        valid: analysis.compiled.is_ok(),
        message: match &analysis.compiled {
            Ok(_) => format!("{language} syntax is valid"),
            Err(errors) => first(errors),
        },
        code_length: call.body.code.len(),
        normalized: !analysis.transformations().is_empty(),
        transformations: analysis.transformations(),
        errors: json!(analysis.compiled.err().unwrap_or_default()),
    }))
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypescriptAnswer {
    pub valid: bool,
    /// Null if the code does not compile.
    pub javascript: Option<String>,
    /// In bytes.
    pub original_length: usize,
    pub transpiled_length: Option<usize>,
    pub normalized: bool,
    pub transformations: Vec<&'static str>,
    #[schema(value_type = Vec<Object>)]
    pub errors: Value,
    pub message: String,
}

pub async fn typescript(
    call: Call<Nothing, CodeRequest>,
) -> Result<Answer<TypescriptAnswer>, ApiError> {
    let analysis = analyse(&call, Language::TypeScript).await?;
    let (normalized, transformations) = (
        !analysis.transformations().is_empty(),
        analysis.transformations(),
    );
    let (javascript, errors) = match analysis.compiled {
        Ok(compiled) => (Some(compiled.code), Vec::new()),
        Err(errors) => (None, errors),
    };
    Ok(Answer::ok(TypescriptAnswer {
        valid: javascript.is_some(),
        original_length: call.body.code.len(),
        transpiled_length: javascript.as_ref().map(String::len),
        normalized,
        transformations,
        message: match javascript {
            Some(_) => "TypeScript validation successful".to_owned(),
            None => first(&errors),
        },
        javascript,
        errors: json!(errors),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct MagicCommentsRequest {
    pub code: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MagicCommentsAnswer {
    /// The directives by key; null without any.
    #[schema(value_type = Option<Object>)]
    pub magic_comments: Option<Map<String, Value>>,
    pub warnings: Vec<WarningView>,
    /// Always null: no comment declares a return type here.
    #[schema(value_type = Option<Object>)]
    pub return_type: Option<Value>,
    pub message: String,
}

pub async fn magic_comments(
    call: Call<Nothing, MagicCommentsRequest>,
) -> Result<Answer<MagicCommentsAnswer>, ApiError> {
    let parsed = call.exec().publisher.caps.parse(&call.body.code);
    let (found, warnings) = (parsed.comments.len(), parsed.warnings.len());
    Ok(Answer::ok(MagicCommentsAnswer {
        magic_comments: Some(parsed.comments).filter(|comments| !comments.is_empty()),
        warnings: parsed.warnings.iter().map(WarningView::of).collect(),
        return_type: None,
        message: format!("{found} directives, {warnings} warnings"),
    }))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnTypeRequest {
    /// A type as in TypeScript: primitives, literals, arrays, objects, Record, unions.
    pub type_definition: String,
    /// Any JSON value.
    #[serde(deserialize_with = "present")]
    #[schema(required = true)]
    pub value: Value,
}

/// Null is a value like any other.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Value::deserialize(deserializer)
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnTypeAnswer {
    pub valid: bool,
    /// As `$.items[0].name: expected string, got 7`.
    pub errors: Vec<String>,
    pub type_definition: String,
    /// Null if the definition cannot be read.
    #[schema(value_type = Option<Object>)]
    pub parsed_type: Option<Value>,
    pub message: String,
}

pub async fn return_type(
    call: Call<Nothing, ReturnTypeRequest>,
) -> Result<Answer<ReturnTypeAnswer>, ApiError> {
    let ReturnTypeRequest {
        type_definition,
        value,
    } = call.body;
    let (errors, parsed_type) = match return_type::parse(&type_definition) {
        Ok(parsed) => (return_type::check(&parsed, &value), Some(json!(parsed))),
        Err(error) => (vec![error.to_string()], None),
    };
    Ok(Answer::ok(ReturnTypeAnswer {
        valid: errors.is_empty(),
        message: match (&parsed_type, errors.len()) {
            (None, _) => "The type definition cannot be read".to_owned(),
            (Some(_), 0) => "The value has the type".to_owned(),
            (Some(_), _) => "The value does not have the type".to_owned(),
        },
        errors,
        type_definition,
        parsed_type,
    }))
}

async fn analyse(
    call: &Call<Nothing, CodeRequest>,
    default: Language,
) -> Result<Analysis, ApiError> {
    let CodeRequest {
        code,
        language,
        extension,
    } = &call.body;
    let name = language
        .as_deref()
        .or(extension.as_deref())
        .map(str::to_ascii_lowercase);
    let language = match name.as_deref().map(|name| name.trim_start_matches('.')) {
        None | Some("") => default,
        Some("ts" | "typescript") => Language::TypeScript,
        Some("js" | "javascript") => Language::JavaScript,
        Some(_) => {
            return Err(ApiError::bad_request(
                "language must be typescript or javascript",
            ));
        }
    };
    Ok(call.exec().analyse(code.clone(), language).await?)
}

fn step(analysis: &Analysis, message: &str) -> Step {
    let errors = analysis.compiled.as_ref().err();
    Step {
        valid: errors.is_none(),
        message: errors.is_none().then(|| message.to_owned()),
        error: errors.map(|errors| first(errors)),
        errors: errors.map(|errors| json!(errors)),
        transpiled_length: None,
    }
}

fn first(errors: &[Diagnostic]) -> String {
    errors.first().map(ToString::to_string).unwrap_or_default()
}
