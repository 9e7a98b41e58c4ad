//! The budget without sockets, on paused time.

use futures::FutureExt;
use tokio::time::Instant;

use super::super::budget::Budget;
use super::*;

fn budget(per_second: u32, max_in_flight: u32) -> Budget {
    let number = |n| NonZeroU32::new(n).unwrap();
    Budget::new(number(per_second), number(max_in_flight))
}

/// How long `count` requests in a row take to start, in milliseconds.
async fn time_ms(budget: &Budget, count: u32) -> u128 {
    let before = Instant::now();
    for _ in 0..count {
        budget.acquire(&go()).await.unwrap();
    }
    before.elapsed().as_millis()
}

fn check_near(found: u128, expected: u128) {
    assert!(found.abs_diff(expected) <= expected / 20 + 2, "{found} ms, expected {expected} ms");
}

#[tokio::test(start_paused = true)]
async fn keeps_to_the_rate_after_the_first_burst() {
    let budget = budget(10, 3);
    check_near(time_ms(&budget, 3).await, 0);
    check_near(time_ms(&budget, 20).await, 2_000);
    let numbers = budget.numbers();
    assert_eq!((numbers.started, numbers.waiting, numbers.in_flight), (23, 0, 0));
    check_near(u128::from(numbers.waited_ms), 2_000);
}

#[tokio::test(start_paused = true)]
async fn halves_on_429_and_recovers_slowly() {
    let budget = budget(10, 1);
    time_ms(&budget, 1).await;
    budget.acquire(&go()).await.unwrap().too_many();
    assert_eq!(budget.numbers().per_second, 5.0);
    check_near(time_ms(&budget, 10).await, 2_000);
    let mut rates = Vec::new();
    for _ in 0..16 {
        for _ in 0..10 {
            budget.acquire(&go()).await.unwrap().succeeded();
        }
        rates.push(budget.numbers().per_second);
    }
    assert!(rates.is_sorted() && rates[0] < 5.5, "{rates:?}");
    assert_eq!(rates[15], 10.0);
    time_ms(&budget, 1).await;
    check_near(time_ms(&budget, 10).await, 1_000);
}

#[tokio::test(start_paused = true)]
async fn requests_under_way_together_halve_it_once() {
    let budget = budget(10, 4);
    let cancel = go();
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(budget.acquire(&cancel).await.unwrap());
    }
    permits.iter().for_each(|permit| permit.too_many());
    assert_eq!(budget.numbers().per_second, 5.0);
    assert_eq!(budget.numbers().too_many, 4);
    drop(permits);
    for _ in 0..20 {
        budget.acquire(&cancel).await.unwrap().too_many();
    }
    assert_eq!(budget.numbers().per_second, 10.0 / 64.0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_everybody_and_a_shorter_one_does_not_end_it() {
    let budget = budget(10, 4);
    let permit = budget.acquire(&go()).await.unwrap();
    permit.asked_to_wait(Duration::from_secs(60));
    permit.asked_to_wait(Duration::from_secs(5));
    assert_eq!(budget.numbers().pause, Some(Duration::from_secs(60)));
    let before = Instant::now();
    let cancel = go();
    let (_first, _second) = tokio::join!(budget.acquire(&cancel), budget.acquire(&cancel));
    assert_eq!(before.elapsed().as_secs(), 60);
    assert_eq!(budget.numbers().pause, None);
}

#[tokio::test(start_paused = true)]
async fn streams_take_turns() {
    let budget = budget(10, 1);
    let order = Mutex::new(String::new());
    let stream = async |name: char| {
        for _ in 0..4 {
            let permit = budget.acquire(&go()).await.unwrap();
            order.lock().unwrap().push(name);
            drop(permit);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(stream('a'), stream('b'), stream('c'));
    assert_eq!(*order.lock().unwrap(), "abcabcabcabc");
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_leaves_nothing_behind() {
    let budget = budget(10, 1);
    let cancel = go();
    let held = budget.acquire(&cancel).await.unwrap();
    assert!(budget.acquire(&cancel).now_or_never().is_none());
    assert_eq!((budget.numbers().waiting, budget.numbers().in_flight), (0, 1));
    let (given_up, ()) = tokio::join!(budget.acquire(&cancel), async { cancel.cancel() });
    assert!(given_up.is_err());
    drop(held);
    assert_eq!((budget.numbers().waiting, budget.numbers().in_flight), (0, 0));
    assert!(budget.acquire(&go()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn another_request_of_a_slot_waits_for_the_rate_and_for_no_slot() {
    let (budget, cancel) = (budget(10, 1), go());
    let permit = budget.acquire(&cancel).await.unwrap();
    let before = Instant::now();
    let another = permit.another(&cancel).await.unwrap();
    check_near(before.elapsed().as_millis(), 100);
    let numbers = budget.numbers();
    assert_eq!((numbers.started, numbers.waiting, numbers.in_flight), (2, 0, 1));
    another.asked_to_wait(Duration::from_secs(60));
    drop(another);
    assert!(permit.sit_out_pause(&cancel).await.unwrap());
    assert_eq!(before.elapsed().as_secs(), 60);
    assert!(!permit.sit_out_pause(&cancel).await.unwrap());
    drop(permit);
    assert_eq!(budget.numbers().in_flight, 0);
}
