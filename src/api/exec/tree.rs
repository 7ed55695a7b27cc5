//! `scripts/tree`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::listing::not_a_folder;
use super::scripts::FileMetadata;
use crate::api::endpoint::{Answer, Call, Nothing};
use crate::api::error::ApiError;
use crate::exec::listing::{self, Node};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TreeRequest {
    /// A folder of the deployment; all of it by default.
    #[serde(default)]
    pub base_dir: String,
    #[serde(default = "ten")]
    #[schema(default = 10, minimum = 1)]
    pub max_depth: usize,
    /// With size, times and extension of each file.
    #[serde(default)]
    pub include_metadata: bool,
}

fn ten() -> usize {
    10
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TreeAnswer {
    pub base_dir: String,
    pub tree: Vec<TreeNode>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TreeNode {
    pub name: String,
    /// Relative to the deployment.
    pub path: String,
    /// `file` or `directory`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<FileMetadata>,
    /// Of directories.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(no_recursion)]
    pub children: Option<Vec<TreeNode>>,
}

pub async fn read(call: Call<Nothing, TreeRequest>) -> Result<Answer<TreeAnswer>, ApiError> {
    let TreeRequest {
        base_dir,
        max_depth,
        include_metadata,
    } = &call.body;
    let directory = call.scope.directory(base_dir)?;
    let folder = call.exec().folder();
    let missing = directory.relative().is_empty() && folder.directory(&directory).is_err();
    let nodes = if missing {
        Ok(Vec::new())
    } else {
        listing::tree(folder, &directory, *max_depth)
    };
    let nodes = nodes.map_err(|error| not_a_folder(error.into()))?;
    let tree = nodes
        .into_iter()
        .map(|node| tree_node(node, *include_metadata))
        .collect();
    Ok(Answer::ok(TreeAnswer {
        base_dir: directory.relative().to_owned(),
        tree,
    }))
}

fn tree_node(node: Node, with_metadata: bool) -> TreeNode {
    let Node {
        name,
        path,
        metadata,
        children,
    } = node;
    let metadata = metadata.filter(|_| with_metadata);
    TreeNode {
        kind: if children.is_some() {
            "directory"
        } else {
            "file"
        },
        metadata: metadata.map(|metadata| FileMetadata::of(&name, &metadata)),
        children: children.map(|nodes| {
            nodes
                .into_iter()
                .map(|node| tree_node(node, with_metadata))
                .collect()
        }),
        name,
        path,
    }
}
