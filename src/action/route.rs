//! Plan of `restore-route`: the route of the subnet that leads back to the user.
//!
//! A route that is there and switched off is switched on. One that is missing is made only where the
//! other tables of the VPC agree on the way: a guessed gateway would send the answers of a whole subnet
//! somewhere. Must not live here: routes in the guest (`guest`).

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::blank::blank;
use super::context::{Others, PlanContext, RouteFacts, RouteLine};
use super::expected::{Expected, RouteIs, RouteState};
use super::parameters::{Parameters, SourceChoice};
use super::plan::{
    Completion, Plan, PlanError, RuleDifference, RuleLine, Step, TableOf, Target, Undo,
};
use super::said;
use crate::domain::action::{ActionId, Risk};
use crate::domain::api_call::ApiCall;
use crate::domain::ports::contains;
use crate::domain::private_way::NextHop;
use crate::domain::said::{List, Said};

pub(super) fn plan(parameters: &Parameters, context: &PlanContext) -> Result<Plan, PlanError> {
    let instance = &context.instance;
    let label = Target::of(instance).label();
    let facts = context.routes.required(said::subnet_routes())?;
    let source = source(parameters, context)?;
    let covers = |net: &str| covers(net, source);
    if facts.networks.iter().any(|net| covers(net)) {
        return Err(PlanError::NothingToDo(said::route_inside_vpc(source)));
    }
    if let Some(route) = leads(&facts.routes, source) {
        return Err(PlanError::NothingToDo(said::route_leads(
            &facts.table,
            source,
            shown(route),
        )));
    }
    let mut plan = blank(
        ActionId::RestoreRoute,
        context,
        said::restore_route_to(source, label),
    );
    plan.parameters
        .insert("source".to_owned(), source.to_string().into());
    match switched_off(parameters.text("route"), facts, source)? {
        Some(route) => enable(&mut plan, context, facts, route)?,
        None if !may_need_one(context, source) => {
            return Err(PlanError::NotApplicable(said::route_not_asked(source)));
        }
        None => create(&mut plan, context, facts, &certain(facts, source)?),
    }
    plan.affected = Others::affected(facts.others.as_ref(), facts.subnets.len(), &facts.table);
    plan.warnings.push(said::route_of_subnets(
        &facts.table,
        List::names(&facts.subnets),
    ));
    Ok(plan)
}

/// The failing user, or this host where nobody else is named.
fn source(parameters: &Parameters, context: &PlanContext) -> Result<IpNet, PlanError> {
    let here = context.own_source.map(IpNet::from);
    let found = match parameters.source("source") {
        Some(SourceChoice::Net(net)) => Some(net),
        Some(SourceChoice::User) => context.user_source,
        Some(SourceChoice::Here) => here,
        Some(SourceChoice::Any) => None,
        None => context.user_source.or(here),
    };
    found
        .map(|net| net.trunc())
        .ok_or_else(|| PlanError::Missing(said::route_needs_source()))
}

fn covers(net: &str, source: IpNet) -> bool {
    [source.network(), source.broadcast()]
        .into_iter()
        .all(|end| contains(net, end) == Some(true))
}

fn prefix(route: &RouteLine) -> u8 {
    let net = route.target.parse::<IpNet>();
    net.map_or(0, |net| net.prefix_len())
}

/// The route that decides, where it leads to a network or to a machine that may forward.
fn leads(routes: &[RouteLine], source: IpNet) -> Option<&RouteLine> {
    let on = routes.iter().filter(|route| route.enabled);
    let best = on
        .filter(|route| covers(&route.target, source))
        .max_by_key(|route| prefix(route))?;
    is_a_way(best).then_some(best)
}

/// Leads to a private network. A default route to an instance is a way out, which says nothing of a way
/// in.
fn is_a_way(route: &RouteLine) -> bool {
    match NextHop::of(&route.kind) {
        NextHop::Network => true,
        NextHop::Machine => prefix(route) > 0,
        NextHop::Internet | NextHop::Unknown => false,
    }
}

/// The route to switch on: the one that is named, else the narrowest that covers the source.
fn switched_off<'a>(
    wanted: Option<&str>,
    facts: &'a RouteFacts,
    source: IpNet,
) -> Result<Option<&'a RouteLine>, PlanError> {
    if let Some(wanted) = wanted {
        let named = facts.routes.iter().find(|route| route.item == wanted);
        return match named {
            Some(route) if !route.enabled && covers(&route.target, source) => Ok(Some(route)),
            _ => Err(PlanError::NotApplicable(said::route_not_off(
                wanted,
                &facts.table,
                source,
            ))),
        };
    }
    let off = facts.routes.iter().filter(|route| {
        !route.enabled && route.own && is_a_way(route) && covers(&route.target, source)
    });
    let off: Vec<&RouteLine> = off.collect();
    let longest = off.iter().map(|route| prefix(route)).max();
    let best = off
        .into_iter()
        .filter(|route| Some(prefix(route)) == longest);
    match best.collect::<Vec<_>>().as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        several => Err(PlanError::Missing(said::several_routes_off(
            &facts.table,
            List::names(
                several
                    .iter()
                    .map(|route| format!("{} ({})", route.item, shown(route))),
            ),
        ))),
    }
}

/// An address of the Internet is answered through the instance's own public address.
fn may_need_one(context: &PlanContext, source: IpNet) -> bool {
    let private = match source.addr() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_private() || shared || v4.is_loopback()
        }
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_loopback(),
    };
    private || context.instance.public_addresses.is_empty()
}

/// The way that every other table of the VPC takes to the source, where they agree.
fn certain(facts: &RouteFacts, source: IpNet) -> Result<RouteLine, PlanError> {
    let mut ways: Vec<&RouteLine> = Vec::new();
    for (_, routes) in &facts.siblings {
        let way = leads(routes, source).filter(|way| way.own);
        if let Some(way) = way
            && !ways
                .iter()
                .any(|known| (&known.kind, &known.gateway) == (&way.kind, &way.gateway))
        {
            ways.push(way);
        }
    }
    let uncertain = |why: Said| Err(PlanError::NotApplicable(why));
    match ways.as_slice() {
        [only] => Ok((*only).clone()),
        [] => uncertain(said::no_route_known(&facts.table, source)),
        several => uncertain(said::routes_disagree(
            source,
            List::names(several.iter().map(|way| shown(way))),
        )),
    }
}

/// `10.0.0.0/8 via VPN vpngw-...`.
fn shown(route: &RouteLine) -> String {
    format!("{} {} {}", route.target, route.kind, route.gateway)
}

fn state(facts: &RouteFacts, route: &RouteLine, is: RouteIs) -> RouteState {
    RouteState {
        table: facts.table.clone(),
        item: route.item.clone(),
        mark: String::new(),
        target: route.target.clone(),
        gateway: route.gateway.clone(),
        is,
    }
}

fn enable(
    plan: &mut Plan,
    context: &PlanContext,
    facts: &RouteFacts,
    route: &RouteLine,
) -> Result<(), PlanError> {
    let same = |other: &&RouteLine| other.enabled && other.target == route.target;
    if let Some(other) = facts.routes.iter().find(same) {
        return Err(PlanError::NotApplicable(said::route_in_the_way(
            shown(route),
            &facts.table,
            shown(other),
        )));
    }
    let (off, on) = (
        state(facts, route, RouteIs::Disabled),
        state(facts, route, RouteIs::Enabled),
    );
    let call = |action: &str| {
        let mut body = json!({ "RouteTableId": facts.table });
        if route.item.is_empty() {
            body["RouteIds"] = json!([route.number]);
        } else {
            body["RouteItemIds"] = json!([route.item]);
        }
        ApiCall::new("vpc", action, &context.instance.region, body)
    };
    let step = |purpose: Said, action: &str, from: &RouteState, to: &RouteState| {
        let mut step = Step::new(purpose, call(action), Completion::Route(to.clone()));
        step.expects = Some(Expected::Route(from.clone()));
        step
    };
    if !route.item.is_empty() {
        plan.parameters
            .insert("route".to_owned(), route.item.as_str().into());
    }
    plan.steps
        .push(step(said::enable_route(), "EnableRoutes", &off, &on));
    plan.changes = vec![said::route_switched_on(&facts.table, shown(route))];
    plan.undo = Undo::Steps {
        text: said::switches_route_off(&facts.table, shown(route)),
        downtime: said::none(),
        risk: Risk::Medium,
        steps: vec![step(said::disable_route(), "DisableRoutes", &on, &off)],
    };
    let mut after = lines(&facts.routes);
    let place = facts.routes.iter().position(|other| other == route);
    if let Some(line) = place.and_then(|place| after.get_mut(place)) {
        line.text = said::route_is_on(shown(route));
        line.added = true;
    }
    plan.tables = vec![table(facts, after)];
    Ok(())
}

fn create(plan: &mut Plan, context: &PlanContext, facts: &RouteFacts, way: &RouteLine) {
    let mark = plan.mark();
    let made = RouteState {
        item: String::new(),
        mark: mark.clone(),
        ..state(facts, way, RouteIs::Enabled)
    };
    let field = if way.target.contains(':') {
        "DestinationIpv6CidrBlock"
    } else {
        "DestinationCidrBlock"
    };
    let mut route = json!({
        // Required of every route, of one for IPv6 too.
        "DestinationCidrBlock": "",
        "GatewayType": way.kind,
        "GatewayId": way.gateway,
        "RouteDescription": mark,
    });
    route[field] = json!(way.target);
    let mut step = Step::new(
        said::create_route(),
        ApiCall::new(
            "vpc",
            "CreateRoutes",
            &context.instance.region,
            json!({ "RouteTableId": facts.table, "Routes": [route] }),
        ),
        Completion::Route(made.clone()),
    );
    step.expects = Some(Expected::Route(RouteState {
        is: RouteIs::Absent,
        ..made.clone()
    }));
    plan.steps.push(step);
    plan.changes = vec![said::route_made(&facts.table, shown(way))];
    let known: Vec<&str> = facts.siblings.iter().map(|(id, _)| id.as_str()).collect();
    plan.warnings
        .push(said::route_as_others(List::names(known)));
    plan.undo = Undo::RemoveRoute(made);
    let mut after = lines(&facts.routes);
    after.push(RuleLine {
        index: i64::try_from(after.len() + 1).unwrap_or(i64::MAX),
        text: said::route_is_on(shown(way)),
        added: true,
        ..RuleLine::default()
    });
    plan.tables = vec![table(facts, after)];
}

fn lines(routes: &[RouteLine]) -> Vec<RuleLine> {
    let line = |(index, route): (i64, &RouteLine)| RuleLine {
        index,
        text: if route.enabled {
            said::route_is_on(shown(route))
        } else {
            said::route_is_off(shown(route))
        },
        ..RuleLine::default()
    };
    (1_i64..).zip(routes).map(line).collect()
}

fn table(facts: &RouteFacts, after: Vec<RuleLine>) -> RuleDifference {
    RuleDifference {
        of: TableOf::Routes,
        group: facts.table.clone(),
        group_name: facts.name.clone(),
        before: lines(&facts.routes),
        after,
        ..RuleDifference::default()
    }
}

/// The step that deletes the route that an earlier entry made, in the table as it is now.
pub(super) fn removal(
    made: &RouteState,
    region: &str,
    routes: &[RouteLine],
) -> Result<Step, PlanError> {
    let found = routes.iter().find(|route| route.description == made.mark);
    let Some(route) = found else {
        return Err(PlanError::NothingToDo(said::no_route_carries(
            &made.table,
            &made.mark,
        )));
    };
    if (&route.target, &route.gateway) != (&made.target, &made.gateway) || !route.enabled {
        return Err(PlanError::NotApplicable(said::route_changed(
            &made.table,
            shown(route),
        )));
    }
    let mut gone: Value = json!({
        "DestinationCidrBlock": "",
        "GatewayType": route.kind,
        "GatewayId": route.gateway,
        "RouteId": route.number,
    });
    let field = if route.target.contains(':') {
        "DestinationIpv6CidrBlock"
    } else {
        "DestinationCidrBlock"
    };
    gone[field] = json!(route.target);
    if !route.item.is_empty() {
        gone["RouteItemId"] = json!(route.item);
    }
    let mut step = Step::new(
        said::delete_route(),
        ApiCall::new(
            "vpc",
            "DeleteRoutes",
            region,
            json!({ "RouteTableId": made.table, "Routes": [gone] }),
        ),
        Completion::Route(RouteState {
            is: RouteIs::Absent,
            ..made.clone()
        }),
    );
    step.expects = Some(Expected::Route(made.clone()));
    Ok(step)
}
