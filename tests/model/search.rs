//! Walks through every state, breadth first, so that the first violation found has a shortest
//! trace.
//!
//! Remembered of a state is a hash of 128 bits and how it was reached. Names of instances do not
//! matter: a state and its mirror image count once.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use xxhash_rust::xxh3::xxh3_128;

use super::next::{Model, Step};
use super::rules::{Flaw, Scene};
use super::world::{INSTANCES, Violation, World};

/// A scene that grows beyond this is too large for a test.
const STATES_MAX: usize = 2_000_000;

/// What came of an exploration.
pub enum Outcome {
    Holds {
        states: usize,
        /// Steps of the longest of the shortest ways to a state.
        depth: u32,
        /// All that happened.
        told: BTreeSet<&'static str>,
    },
    Violated {
        states: usize,
        violation: Violation,
        trace: Vec<Step>,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Holds { states, depth, .. } => {
                write!(f, "holds in all {states} states, up to {depth} steps away")
            }
            Outcome::Violated { states, violation, trace } => {
                let steps = trace.len();
                write!(f, "{violation:?} after {steps} steps ({states} states seen)")?;
                for step in trace {
                    write!(f, "\n  {step}")?;
                }
                Ok(())
            }
        }
    }
}

/// How a state was reached.
struct Node {
    parent: u32,
    step: Option<Step>,
}

pub fn explore(scene: &'static Scene, flaw: Option<Flaw>) -> Outcome {
    let model = Model { scene, flaw };
    let mut search = Search::new(model);
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    let mut depth = 0;
    while let Some((node, world, steps)) = search.queue.pop_front() {
        depth = steps;
        if let Some(violation) = world.violation(scene) {
            return search.violated(node, violation, Vec::new());
        }
        for who in 0..INSTANCES {
            if let Some(way) = search.is_stuck(&world, who) {
                return search.violated(node, Violation::Lost, way);
            }
        }
        search.model.steps(&world, &mut found);
        for (step, world) in found.drain(..) {
            told.insert(step.what);
            search.reach(world, Node { parent: node, step: Some(step) }, steps + 1);
        }
    }
    Outcome::Holds { states: search.nodes.len(), depth, told }
}

struct Search {
    model: Model,
    nodes: Vec<Node>,
    seen: HashSet<u128, BuildHasherDefault<Ready>>,
    /// States from which the first instance alone is known to settle.
    settling: HashSet<u128, BuildHasherDefault<Ready>>,
    queue: VecDeque<(u32, World, u32)>,
}

impl Search {
    fn new(model: Model) -> Search {
        let world = World::new(model.scene);
        let mut search = Search {
            model,
            nodes: Vec::new(),
            seen: HashSet::default(),
            settling: HashSet::default(),
            queue: VecDeque::new(),
        };
        search.reach(world, Node { parent: 0, step: None }, 0);
        search
    }

    fn reach(&mut self, world: World, node: Node, steps: u32) {
        let mirrored = world.instances[1] < world.instances[0];
        let key = if mirrored { hash(&world.swapped()) } else { hash(&world) };
        if self.seen.insert(key) {
            let number = u32::try_from(self.nodes.len()).unwrap();
            assert!(self.nodes.len() < STATES_MAX, "more than {STATES_MAX} states");
            self.nodes.push(node);
            self.queue.push_back((number, world, steps));
        }
    }

    /// Whether an instance that goes on alone, without faults, never settles; the way it goes then.
    fn is_stuck(&mut self, world: &World, who: usize) -> Option<Vec<Step>> {
        let mut world = *world;
        let mut way = Vec::new();
        let mut walked = Vec::new();
        loop {
            let key = if who == 0 { hash(&world) } else { hash(&world.swapped()) };
            let scene = self.model.scene;
            // A violation on the way is found for itself, by a shortest trace.
            let ends = world.is_settled(scene) || world.violation(scene).is_some();
            if ends || self.settling.contains(&key) {
                self.settling.extend(walked);
                return None;
            }
            let Some((step, next)) = self.model.calm_step(&world, who) else { return Some(way) };
            if walked.contains(&key) {
                return Some(way);
            }
            walked.push(key);
            way.push(step);
            world = next;
        }
    }

    fn violated(&self, node: u32, violation: Violation, way: Vec<Step>) -> Outcome {
        let mut trace = Vec::new();
        let mut at = node;
        while let Some(step) = self.nodes[at as usize].step {
            trace.push(step);
            at = self.nodes[at as usize].parent;
        }
        trace.reverse();
        trace.extend(way);
        Outcome::Violated { states: self.nodes.len(), violation, trace }
    }
}

fn hash(world: &World) -> u128 {
    let mut bytes = Bytes { bytes: [0; BYTES_MAX], end: 0 };
    world.hash(&mut bytes);
    xxh3_128(&bytes.bytes[..bytes.end])
}

const BYTES_MAX: usize = 256;

/// Writes a state down in few bytes: each of its numbers is small.
struct Bytes {
    bytes: [u8; BYTES_MAX],
    end: usize,
}

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.bytes[self.end..self.end + bytes.len()].copy_from_slice(bytes);
        self.end += bytes.len();
    }

    fn write_u8(&mut self, number: u8) {
        self.bytes[self.end] = number;
        self.end += 1;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u8(u8::try_from(number).unwrap());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u8(u8::try_from(number).unwrap());
    }

    fn finish(&self) -> u64 {
        panic!("only the bytes are wanted")
    }
}

/// For keys that are hashes already.
#[derive(Default)]
struct Ready(u64);

impl Hasher for Ready {
    fn write(&mut self, _: &[u8]) {
        panic!("only keys that are hashes")
    }

    fn write_u128(&mut self, key: u128) {
        self.0 = (key >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
