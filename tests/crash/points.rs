//! Each named point once in the first load and once later, with a recovery after each; each pause;
//! each kind of spoilt store.

use atlar_ingestor::crash::Point;

use super::blow::{Blow, PAUSES};
use super::story::{Figures, Story};

async fn killed_at(point: Point, seed: u64) -> Figures {
    let mut story = Story::begin(&format!("{point:?}").to_lowercase(), seed).await;
    story.suffer(Blow::Point(point)).await;
    story.recover().await;
    story.live();
    story.suffer(Blow::Point(point)).await;
    story.end().await
}

macro_rules! points {
    ($($name:ident $point:ident $seed:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let figures = killed_at(Point::$point, $seed).await;
            assert_eq!(figures.kills, 2);
        })*

        #[test]
        fn no_point_is_left_out() {
            assert_eq!([$(Point::$point),*], Point::ALL);
        }
    };
}

points! {
    before_anything_was_asked A 1;
    before_the_epoch B 2;
    while_taking_the_epoch C 3;
    before_the_barrier_is_committed D 4;
    while_the_barrier_is_committed E 5;
    while_restoring F 6;
    while_idle G 7;
    in_the_middle_of_a_listing H 8;
    before_a_transaction I 9;
    with_an_epoch_and_no_transaction J 10;
    with_a_transaction_and_no_record K 11;
    with_events_and_no_state L 12;
    before_the_commit M 13;
    while_committing O 14;
    before_the_read_back R 15;
    while_writing_the_store S 16;
    before_the_store_is_flushed T 17;
    after_the_store_is_flushed U 18;
    with_a_cycle_record_waiting W 19;
}

macro_rules! pauses {
    ($($name:ident $at:literal $seed:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let mut story = Story::begin("sleep", $seed).await;
            story.suffer(Blow::Pause(PAUSES[$at])).await;
            assert_eq!(story.end().await.pauses, 1);
        })*
    };
}

pauses! {
    asleep_with_events_and_no_state 0 21;
    asleep_before_the_commit 1 22;
    asleep_before_the_read_back 2 23;
    asleep_with_an_epoch 3 24;
    asleep_before_the_barrier_is_committed 4 28;
    asleep_in_the_middle_of_a_listing 5 29;
}

macro_rules! stores {
    ($($name:ident $blow:ident $seed:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let mut story = Story::begin("store", $seed).await;
            story.recover().await;
            // What comes next meets the store as it was left.
            story.suffer(Blow::$blow).await;
            story.suffer(Blow::Point(Point::M)).await;
            story.suffer(Blow::$blow).await;
            assert_eq!(story.end().await.stores, 2);
        })*
    };
}

stores! {
    without_a_store Deleted 25;
    with_a_store_that_is_damaged Flipped 26;
    with_the_store_of_another_workspace Foreign 27;
}
