//! The tables of `deploy/template.yaml` on a peer.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, Projection,
};
use babelwire_aws::config::Tables;
use saphyr::{LoadableYamlNode, Yaml};

use super::{Peer, own_name};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/template.yaml");

/// What a mapping has under a name.
fn get<'a, 'b>(yaml: &'a Yaml<'b>, name: &str) -> Option<&'a Yaml<'b>> {
    yaml.as_mapping_get(name)
}

fn text<'a>(yaml: &'a Yaml<'_>, name: &str) -> &'a str {
    get(yaml, name)
        .and_then(Yaml::as_str)
        .unwrap_or_else(|| panic!("the template has no text `{name}` in {yaml:?}"))
}

fn list<'a, 'b>(yaml: &'a Yaml<'b>, name: &str) -> &'a [Yaml<'b>] {
    get(yaml, name)
        .and_then(|list| list.as_vec())
        .map_or(&[], Vec::as_slice)
}

fn key_schema(of: &Yaml<'_>) -> Vec<KeySchemaElement> {
    list(of, "KeySchema")
        .iter()
        .map(|key| {
            KeySchemaElement::builder()
                .attribute_name(text(key, "AttributeName"))
                .key_type(text(key, "KeyType").into())
                .build()
                .unwrap()
        })
        .collect()
}

fn index(index: &Yaml<'_>) -> GlobalSecondaryIndex {
    let projection = get(index, "Projection").unwrap();
    let others: Vec<_> = list(projection, "NonKeyAttributes")
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    GlobalSecondaryIndex::builder()
        .index_name(text(index, "IndexName"))
        .set_key_schema(Some(key_schema(index)))
        .projection(
            Projection::builder()
                .projection_type(text(projection, "ProjectionType").into())
                .set_non_key_attributes((!others.is_empty()).then_some(others))
                .build(),
        )
        .build()
        .unwrap()
}

/// Makes the template's tables on a peer, under names of their own.
pub async fn make(peer: &Peer) -> (Client, Tables) {
    let client = Client::new(&peer.config());
    let template = std::fs::read_to_string(TEMPLATE).unwrap();
    let documents = Yaml::load_from_str(&template).unwrap();
    let resources = get(&documents[0], "Resources").unwrap();
    let mut tables = std::collections::BTreeMap::new();
    for (name, resource) in resources.as_mapping().unwrap() {
        if text(resource, "Type") != "AWS::DynamoDB::Table" {
            continue;
        }
        let logical = name.as_str().unwrap();
        let properties = get(resource, "Properties").unwrap();
        let attributes = list(properties, "AttributeDefinitions").iter().map(|of| {
            AttributeDefinition::builder()
                .attribute_name(text(of, "AttributeName"))
                .attribute_type(text(of, "AttributeType").into())
                .build()
                .unwrap()
        });
        let indexes: Vec<_> = list(properties, "GlobalSecondaryIndexes")
            .iter()
            .map(index)
            .collect();
        let table = own_name(logical);
        client
            .create_table()
            .table_name(&table)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes.collect()))
            .set_key_schema(Some(key_schema(properties)))
            .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
            .send()
            .await
            .unwrap();
        tables.insert(logical.to_owned(), table);
    }
    for table in tables.values() {
        // Dynalite needs a moment in which nothing has to be waited for but the state itself.
        loop {
            let described = client
                .describe_table()
                .table_name(table)
                .send()
                .await
                .unwrap();
            let status = described.table.and_then(|table| table.table_status);
            if status == Some(aws_sdk_dynamodb::types::TableStatus::Active) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let mut table = |logical: &str| {
        tables
            .remove(logical)
            .unwrap_or_else(|| panic!("the template has no {logical}"))
    };
    let named = Tables {
        translations: table("TranslationsTable"),
        segments: table("SegmentsTable"),
        connections: table("ConnectionsTable"),
        subscriptions: table("SubscriptionsTable"),
        looks: table("LooksTable"),
        marks: table("MarksTable"),
    };
    (client, named)
}
