//! Routes as the route API shows them. The paths shown are storage paths, with
//! the deployment in front.

use serde::Serialize;

use super::mount::MountKind;
use super::parameters::Parameters;
use super::pattern::RouteType;
use super::table::{Route, RouteTable};
use super::url_path::UrlPathError;
use crate::model::exec_id::ExecId;

/// The answer of `route/resolve`, and each of the `results` of `route/test`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Resolution {
    Matched(Matched),
    Unmatched(Unmatched),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Matched {
    /// Always true.
    pub matched: bool,
    pub path: String,
    pub script_path: String,
    pub route_pattern: String,
    pub parameters: Parameters,
    #[serde(rename = "type")]
    pub route_type: RouteType,
    /// The folder in which the route was found: its deployment.
    pub base_dir: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unmatched {
    /// Always false.
    pub matched: bool,
    pub path: String,
    pub hostname: Option<String>,
    pub exec_id: String,
    pub tried_directories: Vec<String>,
}

/// One of the `routes` of `route/discover`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub pattern: String,
    pub script_path: String,
    #[serde(rename = "type")]
    pub route_type: RouteType,
    pub parameters: Vec<String>,
    pub kind: MountKind,
}

/// Says what would answer `path`, of which a query and a fragment are ignored.
pub fn resolve<T>(
    table: &RouteTable<T>,
    exec_id: &ExecId,
    hostname: Option<&str>,
    path: &str,
) -> Result<Resolution, UrlPathError> {
    let bare = path.split(['?', '#']).next().unwrap_or(path);
    let path = path.to_owned();
    let Some(found) = table.lookup(bare)? else {
        return Ok(Resolution::Unmatched(Unmatched {
            matched: false,
            path,
            hostname: hostname.map(str::to_owned),
            exec_id: exec_id.to_string(),
            tried_directories: vec![exec_id.to_string()],
        }));
    };
    Ok(Resolution::Matched(Matched {
        matched: true,
        path,
        script_path: storage_path(exec_id, found.route),
        route_pattern: found.route.pattern.to_string(),
        route_type: found.route.pattern.route_type(),
        parameters: found.parameters,
        base_dir: exec_id.to_string(),
    }))
}

/// One row for a route of the deployment.
pub fn row<T>(exec_id: &ExecId, route: &Route<T>) -> Row {
    Row {
        pattern: route.pattern.to_string(),
        script_path: storage_path(exec_id, route),
        route_type: route.pattern.route_type(),
        parameters: route
            .pattern
            .parameter_names()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        kind: route.kind,
    }
}

fn storage_path<T>(exec_id: &ExecId, route: &Route<T>) -> String {
    format!("{exec_id}/{}", route.file)
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn answers_have_the_fields_of_the_route_api() {
        let table = RouteTable::build([
            ("users/[id].ts".to_owned(), ()),
            ("x/[...r].ts".to_owned(), ()),
        ]);
        let exec_id = ExecId::default();
        let resolve = |path: &str| {
            to_value(resolve(&table, &exec_id, Some("localhost"), path).unwrap()).unwrap()
        };
        let matched = json!({
            "matched": true, "path": "/users/7?full=1", "scriptPath": "1/users/[id].ts",
            "routePattern": "/users/[id]", "parameters": {"id": "7"}, "type": "dynamic", "baseDir": "1",
        });
        let unmatched = json!({
            "matched": false, "path": "/x", "hostname": "localhost", "execId": "1", "triedDirectories": ["1"],
        });
        assert_eq!(resolve("/users/7?full=1"), matched);
        assert_eq!(resolve("/x"), unmatched);
        assert_eq!(resolve("/x/1#top")["parameters"], json!({"r": ["1"]}));
        let expected = json!({
            "pattern": "/x/[...r]", "scriptPath": "1/x/[...r].ts", "type": "catchall", "parameters": ["r"],
            "kind": "script",
        });
        assert_eq!(
            to_value(row(&exec_id, &table.routes()[1])).unwrap(),
            expected
        );
    }
}
