//! Operations on machines and how time carries them out.
//!
//! Lives here: begin an operation, its steps, what it cures, commands in the guest.
//! Must not live here: validation of requests (`server`).

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::machine::{Agent, LatestOperation};
use super::{AuditEvent, Invocation, Machine, Pending, World};
use crate::demo::guest::{self, Effect};
use crate::demo::neighbour;

/// An operation that takes time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Start,
    Stop {
        release: bool,
    },
    Reboot {
        hard: bool,
    },
    /// A new password; a running machine is shut down for it and started again.
    Password,
    /// Keys bound or unbound, with a restart of a running machine.
    Keys {
        was_running: bool,
    },
    EnterRescue,
    ExitRescue,
}

impl World {
    /// Puts the machine into the operation's transitional state and schedules its end.
    pub fn begin(&mut self, index: usize, operation: Operation, action: &str, request_id: &str) {
        let unit = self.reboot;
        let machine = &mut self.machines[index];
        let hangs = machine.soft_hangs;
        let (state, wait) = match operation {
            Operation::Start => ("STARTING", unit / 2),
            Operation::Stop { .. } => ("STOPPING", unit / 2),
            Operation::Reboot { hard } if hangs && !hard => ("REBOOTING", unit * 4),
            Operation::Reboot { .. }
            | Operation::Password
            | Operation::Keys { was_running: true } => ("REBOOTING", unit),
            Operation::Keys { was_running: false } => ("STOPPED", unit / 4),
            Operation::EnterRescue => ("ENTER_RESCUE_MODE", unit / 2),
            Operation::ExitRescue => ("EXIT_RESCUE_MODE", unit / 2),
        };
        let was_stopped = machine.state == "STOPPED";
        if !(operation == Operation::Password && was_stopped) {
            state.clone_into(&mut machine.state);
        }
        machine.latest = Some(LatestOperation {
            action: action.to_owned(),
            state: "OPERATING".to_owned(),
            request_id: request_id.to_owned(),
            error: String::new(),
        });
        self.pending.push(Pending {
            at: Instant::now() + wait,
            machine: index,
            operation,
            step: 0,
        });
    }

    /// Carries out one due step of an operation.
    pub(super) fn step(&mut self, index: usize, operation: Operation, step: u8, at: Instant) {
        if step == 1 {
            self.machines[index].booting = false;
            return;
        }
        let boots = match operation {
            Operation::Reboot { hard: false } if self.machines[index].soft_hangs => {
                let machine = &mut self.machines[index];
                "RUNNING".clone_into(&mut machine.state);
                finish(machine, Some("The guest did not shut down in time."));
                return;
            }
            Operation::Start => {
                self.give_back_address(index);
                self.machines[index].cure("start");
                true
            }
            Operation::Reboot { hard } => {
                if hard {
                    self.machines[index].cure("hard-restart");
                }
                true
            }
            Operation::Stop { release } => {
                let machine = &mut self.machines[index];
                "STOPPED".clone_into(&mut machine.state);
                let mode = if release {
                    "STOP_CHARGING"
                } else {
                    "KEEP_CHARGING"
                };
                mode.clone_into(&mut machine.stop_mode);
                if release && machine.public.as_ref().is_some_and(|p| !p.elastic) {
                    machine.lost_address = machine.public.take();
                }
                finish(machine, None);
                false
            }
            Operation::Password => self.apply_password(index),
            Operation::Keys { was_running } => {
                if !was_running {
                    finish(&mut self.machines[index], None);
                }
                was_running
            }
            Operation::EnterRescue => {
                let machine = &mut self.machines[index];
                "RESCUE_MODE".clone_into(&mut machine.state);
                finish(machine, None);
                false
            }
            Operation::ExitRescue => {
                let machine = &mut self.machines[index];
                "STOPPED".clone_into(&mut machine.state);
                machine.cure("exit-rescue");
                finish(machine, None);
                false
            }
        };
        if boots {
            self.boot(index, at);
        }
    }

    /// Powered on: the login service follows a moment later.
    fn boot(&mut self, index: usize, at: Instant) {
        let wait = self.reboot / 4;
        let machine = &mut self.machines[index];
        "RUNNING".clone_into(&mut machine.state);
        "NOT_APPLICABLE".clone_into(&mut machine.stop_mode);
        machine.cure("restart");
        machine.booting = true;
        machine.since = Timestamp::now();
        if machine
            .latest
            .as_ref()
            .is_some_and(|l| l.state == "OPERATING")
        {
            finish(machine, None);
        }
        self.pending.push(Pending {
            at: at + wait,
            machine: index,
            operation: Operation::Start,
            step: 1,
        });
    }

    fn apply_password(&mut self, index: usize) -> bool {
        let machine = &mut self.machines[index];
        let broken = machine
            .guest
            .get("guest-reset-agent")
            .is_some_and(|state| state != "ok");
        if broken {
            finish(
                machine,
                Some("The guest did not apply the new password (7617d94c)."),
            );
        } else {
            machine.cure("reset-password");
        }
        let stopped = machine.state == "STOPPED";
        if stopped && !broken {
            finish(machine, None);
        }
        !stopped
    }

    /// A machine that gave up its ordinary address gets another one when it starts.
    fn give_back_address(&mut self, index: usize) {
        if let Some(mut address) = self.machines[index].lost_address.take() {
            address.ip = self.new_public_ip();
            self.machines[index].public = Some(address);
        }
    }

    /// A public address of the demo's block that no machine has had.
    pub fn new_public_ip(&mut self) -> std::net::Ipv4Addr {
        let number = self.next_number();
        std::net::Ipv4Addr::new(
            127,
            self.block,
            200 + (number / 250 % 50) as u8,
            (number % 250) as u8 + 1,
        )
    }

    /// Asks the agent of a machine to run a script; the result follows in [`World::advance`].
    pub fn invoke(&mut self, mut invocation: Invocation) {
        let machine = &self.machines[invocation.machine];
        let wait = if machine.agent == Agent::Hanging || invocation.hangs {
            Duration::from_secs(invocation.timeout_s.min(60))
        } else {
            self.reboot / 10
        };
        invocation.due = Instant::now() + wait;
        self.invocations.push(invocation);
    }

    /// Ends the commands that are due.
    pub(super) fn finish_invocations(&mut self, now: Instant) {
        for position in 0..self.invocations.len() {
            let invocation = &self.invocations[position];
            if invocation.ended.is_some() || invocation.due > now {
                continue;
            }
            let looked = neighbour::looks_at(&invocation.script);
            let looked = looked.map(|asked| neighbour::answer(self, invocation.machine, &asked));
            let machine = &mut self.machines[invocation.machine];
            let hangs = machine.agent == Agent::Hanging || invocation.hangs;
            let (status, exit_code, output) = if hangs {
                ("TASK_TIMEOUT", -1, Vec::new())
            } else if invocation.status == "CANCELLING" {
                ("CANCELLED", -1, Vec::new())
            } else if let Some(output) = looked {
                ("SUCCESS", 0, output.into_bytes())
            } else {
                let undoable = machine.before.as_ref().map(|(cure, _)| cure.as_str());
                let facts = guest::Facts {
                    windows: machine.windows,
                    port: machine.login_port,
                    address: machine.private,
                    states: &machine.guest,
                    cured_by: &machine.cured_by,
                    undoable,
                };
                let outcome = guest::run(&facts, &invocation.script);
                match outcome.effect {
                    Effect::None => {}
                    Effect::Cured(cure) => {
                        machine.cure(cure);
                    }
                    Effect::Undone(cure) => machine.undo_cure(cure),
                }
                let status = if outcome.exit_code == 0 {
                    "SUCCESS"
                } else {
                    "FAILED"
                };
                (status, outcome.exit_code, outcome.output.into_bytes())
            };
            let invocation = &mut self.invocations[position];
            invocation.status = status;
            invocation.exit_code = exit_code;
            invocation.output = output;
            invocation.ended = Some(Timestamp::now());
        }
    }

    /// Notes a write in the audit log.
    pub fn note(&mut self, region: &str, service: &str, name: &str, resource: &str, request: &str) {
        self.audit.push(AuditEvent {
            region: region.to_owned(),
            service: service.to_owned(),
            name: name.to_owned(),
            resource: resource.to_owned(),
            user: "operator".to_owned(),
            source: "127.0.0.1".to_owned(),
            request_id: request.to_owned(),
            command: None,
            at: Timestamp::now(),
        });
    }
}

fn finish(machine: &mut Machine, error: Option<&str>) {
    if let Some(latest) = &mut machine.latest {
        let state = if error.is_some() { "FAILED" } else { "SUCCESS" };
        state.clone_into(&mut latest.state);
        error.unwrap_or_default().clone_into(&mut latest.error);
    }
}
