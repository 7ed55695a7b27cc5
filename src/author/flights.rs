//! One leader for each route that is being made: of all calls of one path, one
//! runs the script that makes it, and the others wait and are routed again when
//! it ends. Calls of different paths do not wait for each other. Those that would
//! wait for themselves, through each other, are told so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::sandbox::services::Making;

/// Calls that have waited and go on at once: all come in the same moment, and the
/// machine has only so many instances.
const GOING_ON_MAX: usize = 32;

/// All routes that are being made.
#[derive(Debug, Default, Clone)]
pub struct Flights(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    /// Of those that have waited.
    going_on: Arc<Semaphore>,
    flights: HashMap<String, Flight>,
    /// Which routes the makers of a route wait for, and how many calls do.
    waits: HashMap<(String, String), usize>,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            going_on: Arc::new(Semaphore::new(GOING_ON_MAX)),
            flights: HashMap::new(),
            waits: HashMap::new(),
        }
    }
}

#[derive(Debug)]
struct Flight {
    turn: Arc<Semaphore>,
    /// Calls that lead or wait.
    calls: usize,
}

/// Why a call gets no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoTurn {
    #[error("this route is being made by the very call that asks for it")]
    Loop,
    #[error("this route is still being made")]
    TooLong,
}

/// The turn of one call: the others wait until it is dropped, or `done`.
#[derive(Debug)]
pub struct Lead {
    seat: Seat,
    _permit: Option<OwnedSemaphorePermit>,
}

/// A place among the calls of one path.
#[derive(Debug)]
struct Seat {
    flights: Flights,
    key: String,
    turn: Arc<Semaphore>,
}

/// That a chain of calls waits for a route.
struct Wait {
    flights: Flights,
    edges: Vec<(String, String)>,
}

impl Flights {
    /// Waits for the turn of a call that comes from the makers of `making`. After
    /// a wait the route may be there: look again.
    pub async fn turn(
        &self,
        key: &str,
        making: &Making,
        patience: Duration,
    ) -> Result<Lead, NoTurn> {
        let (seat, wait) = self.sit(key, making)?;
        let turn = seat.turn.clone().acquire_owned();
        let permit = tokio::time::timeout(patience, turn).await;
        drop(wait);
        match permit {
            // Closed: the route is there, and nobody needs to lead.
            Ok(permit) => Ok(Lead {
                seat,
                _permit: permit.ok(),
            }),
            Err(_) => Err(NoTurn::TooLong),
        }
    }

    fn sit(&self, key: &str, making: &Making) -> Result<(Seat, Wait), NoTurn> {
        let mut table = self.table();
        if making.iter().any(|own| table.leads_to(key, own)) {
            return Err(NoTurn::Loop);
        }
        let flight = table
            .flights
            .entry(key.to_owned())
            .or_insert_with(|| Flight {
                turn: Arc::new(Semaphore::new(1)),
                calls: 0,
            });
        flight.calls += 1;
        let turn = flight.turn.clone();
        let edges: Vec<(String, String)> = making
            .iter()
            .map(|own| (own.clone(), key.to_owned()))
            .collect();
        for edge in &edges {
            *table.waits.entry(edge.clone()).or_default() += 1;
        }
        drop(table);
        let seat = Seat {
            flights: self.clone(),
            key: key.to_owned(),
            turn,
        };
        let wait = Wait {
            flights: self.clone(),
            edges,
        };
        Ok((seat, wait))
    }

    /// A place among those that have waited and now call what was made; it is kept
    /// while they do. None when the server stops.
    pub async fn go_on(&self) -> Option<OwnedSemaphorePermit> {
        let going_on = self.table().going_on.clone();
        going_on.acquire_owned().await.ok()
    }

    /// Routes that are being made now.
    pub fn count(&self) -> usize {
        self.table().flights.len()
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        // Every change is whole; a panic elsewhere leaves it sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Whether the makers of a route wait, through others, for another one.
    fn leads_to(&self, from: &str, to: &str) -> bool {
        let mut seen = vec![from];
        let mut at = 0;
        while let Some(key) = seen.get(at).copied() {
            if key == to {
                return true;
            }
            at += 1;
            for (waiting, wanted) in self.waits.keys() {
                if waiting == key && !seen.contains(&wanted.as_str()) {
                    seen.push(wanted);
                }
            }
        }
        false
    }
}

impl Lead {
    /// The route is there: everybody who waits is routed again at once.
    pub fn done(self) {
        self.seat.turn.close();
        self.seat.flights.table().flights.remove(&self.seat.key);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut table = self.flights.table();
        // After `done` another flight may have the same key.
        let Some(flight) = table.flights.get_mut(&self.key) else {
            return;
        };
        if Arc::ptr_eq(&flight.turn, &self.turn) {
            flight.calls -= 1;
            if flight.calls == 0 {
                table.flights.remove(&self.key);
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let mut table = self.flights.table();
        for edge in &self.edges {
            if let Some(count) = table.waits.get_mut(edge) {
                *count -= 1;
                if *count == 0 {
                    table.waits.remove(edge);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn making(keys: &[&str]) -> Making {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    #[tokio::test]
    async fn one_leads_at_a_time_and_other_paths_do_not_wait() {
        let flights = Flights::default();
        let none = making(&[]);
        let lead = flights.turn("a", &none, PATIENCE).await.unwrap();
        assert!(flights.turn("b", &none, PATIENCE).await.is_ok());
        let at_once = Duration::from_millis(1);
        let second = flights.turn("a", &none, at_once).await;
        assert_eq!(second.unwrap_err(), NoTurn::TooLong);
        drop(lead);
        assert!(flights.turn("a", &none, PATIENCE).await.is_ok());
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn all_who_wait_go_on_when_it_is_done() {
        let flights = Flights::default();
        let none = making(&[]);
        let lead = flights.turn("a", &none, PATIENCE).await.unwrap();
        let waiting: Vec<_> = (0..50)
            .map(|_| {
                let (flights, none) = (flights.clone(), none.clone());
                tokio::spawn(async move { flights.turn("a", &none, PATIENCE).await })
            })
            .collect();
        tokio::task::yield_now().await;
        lead.done();
        let mut held = Vec::new();
        for one in waiting {
            // None of them is dropped before all have come: they do not take turns.
            held.push(one.await.unwrap().unwrap());
        }
        drop(held);
        assert_eq!(flights.count(), 0);
    }

    #[tokio::test]
    async fn whoever_would_wait_for_itself_is_told() {
        let flights = Flights::default();
        let a = flights.turn("a", &making(&[]), PATIENCE).await.unwrap();
        let direct = flights.turn("a", &making(&["a"]), PATIENCE).await;
        assert_eq!(direct.unwrap_err(), NoTurn::Loop);
        // The maker of b waits for a; then the maker of a must not wait for b.
        let b = flights.turn("b", &making(&[]), PATIENCE).await.unwrap();
        let other = flights.clone();
        let waits = tokio::spawn(async move { other.turn("a", &making(&["b"]), PATIENCE).await });
        while flights.table().waits.is_empty() {
            tokio::task::yield_now().await;
        }
        let crossed = flights.turn("b", &making(&["a"]), PATIENCE).await;
        assert_eq!(crossed.unwrap_err(), NoTurn::Loop);
        drop(a);
        assert!(waits.await.unwrap().is_ok());
        drop(b);
        assert!(flights.table().waits.is_empty());
    }
}
