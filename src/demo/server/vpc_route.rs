//! Route tables (vpc 2017-03-12).
//!
//! Lives here: reading them, switching routes on and off, making and deleting them.
//! Must not live here: what they do to a connection (`world::path`).

use serde_json::{Value, json};

use super::vpc::CREATED;
use super::{Answer, Call, Refusal, refuse};
use crate::demo::world::{Route, RouteTable, stable_id};

pub(super) fn answer(call: &mut Call<'_>) -> Answer {
    match call.action {
        "DescribeRouteTables" => tables(call),
        "EnableRoutes" => switch(call, true),
        "DisableRoutes" => switch(call, false),
        "CreateRoutes" => create(call),
        _ => delete(call),
    }
}

fn item_id(table: &RouteTable, route: &Route) -> String {
    stable_id("rti", &format!("{}{}", table.id, route.number))
}

fn shown(table: &RouteTable, route: &Route) -> Value {
    json!({
        "DestinationCidrBlock": route.target, "GatewayType": route.kind,
        "GatewayId": route.gateway, "RouteId": route.number,
        "RouteDescription": route.description, "Enabled": route.enabled,
        "RouteType": "USER", "RouteTableId": table.id, "RouteItemId": item_id(table, route),
        "PublishedToVbc": false, "CreatedTime": CREATED,
    })
}

fn with(call: &Call<'_>, table: &RouteTable, routes: &[Value]) -> Value {
    let subnets = call.world.subnets.iter();
    let bound: Vec<Value> = subnets
        .filter(|s| s.route_table_id == table.id)
        .map(|s| json!({"SubnetId": s.id, "RouteTableId": s.route_table_id}))
        .collect();
    json!({
        "VpcId": table.vpc_id, "RouteTableId": table.id, "RouteTableName": table.name,
        "AssociationSet": bound, "RouteSet": routes, "Main": table.main, "CreatedTime": CREATED,
        "TagSet": [], "LocalCidrForCcn": [],
    })
}

fn tables(call: &mut Call<'_>) -> Answer {
    let filters = call.filters(
        &[
            "route-table-id",
            "vpc-id",
            "association.main",
            "route-table-name",
        ],
        100,
    )?;
    let ids = call.list("RouteTableIds").unwrap_or_default();
    let tables = call.world.route_tables.iter();
    let set: Vec<Value> = tables
        .filter(|t| t.region == call.region && (ids.is_empty() || ids.contains(&t.id)))
        .filter(|t| {
            filters.iter().all(|f| match f.name.as_str() {
                "route-table-id" => f.any(&[&t.id]),
                "vpc-id" => f.any(&[&t.vpc_id]),
                "association.main" => f.any(&[if t.main { "true" } else { "false" }]),
                _ => true,
            })
        })
        .map(|t| {
            let routes: Vec<Value> = t.routes.iter().map(|route| shown(t, route)).collect();
            with(call, t, &routes)
        })
        .collect();
    Ok(json!({"TotalCount": set.len(), "RouteTableSet": call.page(set)?}))
}

fn position(call: &Call<'_>) -> Result<usize, Refusal> {
    let id = call.str("RouteTableId").unwrap_or_default();
    let mut tables = call.world.route_tables.iter();
    match tables.position(|t| t.id == id && t.region == call.region) {
        Some(index) => Ok(index),
        None => refuse(
            "ResourceNotFound",
            format!("The route table {id:?} does not exist."),
        ),
    }
}

fn note(call: &mut Call<'_>, table: usize) {
    let id = call.world.route_tables[table].id.clone();
    call.world
        .note(call.region, "vpc", call.action, &id, call.request_id);
}

fn switch(call: &mut Call<'_>, on: bool) -> Answer {
    let index = position(call)?;
    let items = call.list("RouteItemIds").unwrap_or_default();
    let numbers: Vec<u64> = call
        .parameters
        .get("RouteIds")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |list| {
            list.iter().filter_map(Value::as_u64).collect()
        });
    if items.is_empty() == numbers.is_empty() {
        return refuse(
            "InvalidParameter",
            "Either RouteIds or RouteItemIds must be given.",
        );
    }
    let table = &call.world.route_tables[index];
    let mut chosen = Vec::new();
    for (place, route) in table.routes.iter().enumerate() {
        if items.contains(&item_id(table, route)) || numbers.contains(&route.number) {
            let same = |other: &Route| other.enabled && other.target == route.target;
            if on && !route.enabled && table.routes.iter().any(same) {
                return refuse(
                    "UnsupportedOperation.RouteConflict",
                    format!("Another route to {} is enabled.", route.target),
                );
            }
            chosen.push(place);
        }
    }
    if chosen.len() != items.len() + numbers.len() {
        return refuse("InvalidRouteId.NotFound", "A route does not exist.");
    }
    for place in chosen {
        call.world.route_tables[index].routes[place].enabled = on;
    }
    note(call, index);
    Ok(json!({}))
}

/// The routes of a request.
fn given(call: &Call<'_>) -> Vec<Value> {
    let list = call.parameters.get("Routes").and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

fn create(call: &mut Call<'_>) -> Answer {
    let index = position(call)?;
    let mut made = Vec::new();
    for route in given(call) {
        let text = |name: &str| route[name].as_str().unwrap_or_default().to_owned();
        let target = text("DestinationCidrBlock");
        let Ok(net) = target.parse::<ipnet::IpNet>() else {
            return refuse(
                "InvalidParameterValue.Malformed",
                format!("{target:?} is no network."),
            );
        };
        let table = &call.world.route_tables[index];
        if table
            .routes
            .iter()
            .any(|other| other.target == net.to_string())
        {
            return refuse(
                "InvalidParameterValue.Duplicate",
                format!("A route to {target} exists."),
            );
        }
        let highest = table.routes.iter().map(|other| other.number).max();
        made.push(Route {
            number: highest.unwrap_or_default() + 1,
            target,
            kind: text("GatewayType"),
            gateway: text("GatewayId"),
            enabled: true,
            description: text("RouteDescription"),
        });
    }
    if made.is_empty() {
        return refuse("MissingParameter", "Routes must not be empty.");
    }
    let count = made.len();
    call.world.route_tables[index].routes.extend(made.clone());
    note(call, index);
    let table = &call.world.route_tables[index];
    let routes: Vec<Value> = made.iter().map(|route| shown(table, route)).collect();
    Ok(json!({"TotalCount": count, "RouteTableSet": [with(call, table, &routes)]}))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let index = position(call)?;
    let wanted: Vec<u64> = given(call)
        .iter()
        .filter_map(|route| route["RouteId"].as_u64())
        .collect();
    let table = &call.world.route_tables[index];
    let gone: Vec<Value> = table
        .routes
        .iter()
        .filter(|route| wanted.contains(&route.number))
        .map(|route| shown(table, route))
        .collect();
    if gone.is_empty() || gone.len() != wanted.len() {
        return refuse("InvalidRouteId.NotFound", "A route does not exist.");
    }
    let routes = &mut call.world.route_tables[index].routes;
    routes.retain(|route| !wanted.contains(&route.number));
    note(call, index);
    Ok(json!({"RouteSet": gone}))
}
