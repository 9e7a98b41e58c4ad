//! The connector page, line by line: where each is implemented and which tests show it.

/// One statement of the page, in other words.
pub struct Line {
    pub says: &'static str,
    pub files: &'static [&'static str],
    pub tests: &'static [&'static str],
}

/// Tests that are named and not there yet.
pub const PENDING: &[&str] = &[];

const GOLDEN: &str = "payloads_become_the_expected_records";
const CONFIG_FILE: &str = "the_connector_page_s_file_works_as_it_is";

pub const LINES: &[Line] = &[
    Line {
        says: "polls a workspace and surfaces accounts, counterparties and transactions",
        files: &["src/poll/tree.rs", "src/poll/driver.rs"],
        tests: &[
            "tail_shows_every_record_once_and_a_second_run_publishes_nothing",
            "shows_the_life_of_a_bank_as_events_that_come_once",
        ],
    },
    Line {
        says: "one shape for all rails",
        files: &["src/domain/payment.rs", "src/map/payment.rs"],
        tests: &[GOLDEN, "records_survive_avro_and_every_schema_field_is_used"],
    },
    Line {
        says: "each request is signed with HMAC-SHA256",
        files: &["src/atlar/sign.rs", "docs/adr/0004-request-signing.md"],
        tests: &[
            "signs_the_bytes_of_the_request_line",
            "a_signed_request_is_accepted_and_any_change_of_it_refused",
            "a_signature_made_elsewhere_is_accepted",
        ],
    },
    Line {
        says: "signing is internal: the user supplies access key and secret, no more",
        files: &["src/config/keys.rs"],
        tests: &[CONFIG_FILE, "without_credentials_only_what_needs_them_fails"],
    },
    Line {
        says: "credentials of their own, revocable alone",
        files: &["src/secret.rs"],
        tests: &["replaced_credentials_are_used_by_the_next_request", "prints_nothing_of_a_secret"],
    },
    Line {
        says: "installed by a POST of `config.json` to the API of connectors",
        files: &["src/http/connectors.rs"],
        tests: &["the_connector_pages_curl_installs_and_polling_starts"],
    },
    Line {
        says: "`accessKey`: text, required",
        files: &["src/config/keys.rs", "config.default.toml"],
        tests: &[CONFIG_FILE, "without_credentials_only_what_needs_them_fails"],
    },
    Line {
        says: "`secret`: text, required",
        files: &["src/config/keys.rs", "config.default.toml"],
        tests: &[
            "without_credentials_only_what_needs_them_fails",
            "print_hides_secrets_and_can_be_read_back",
        ],
    },
    Line {
        says: "`baseUrl`: text, by default `https://api.atlar.com`, another for a sandbox",
        files: &["src/config/keys.rs", "src/atlar/base.rs"],
        tests: &[CONFIG_FILE, "the_base_url_may_have_a_path"],
    },
    Line {
        says: "`pageSize`: integer, by default 25",
        files: &["src/config/keys.rs"],
        tests: &[CONFIG_FILE, "the_template_is_the_table_of_keys"],
    },
    Line {
        says: "`pollingPeriod`: a duration as text, by default 30m",
        files: &["src/config/keys.rs"],
        tests: &[CONFIG_FILE, "the_template_is_the_table_of_keys"],
    },
    Line {
        says: "FETCH_ACCOUNTS from `/v1/accounts`",
        files: &["src/poll/tree.rs", "src/map/account.rs"],
        tests: &["streams_are_named_as_published", GOLDEN],
    },
    Line {
        says: "FETCH_EXTERNAL_ACCOUNTS from `/v1/counterparties`",
        files: &["src/poll/tree.rs", "src/map/counterparty.rs"],
        tests: &["streams_are_named_as_published", GOLDEN],
    },
    Line {
        says: "FETCH_PAYMENTS from `/v1/transactions`",
        files: &["src/poll/tree.rs", "src/map/payment.rs"],
        tests: &["requests_name_account_and_filters_and_are_found_again", GOLDEN],
    },
    Line {
        says: "payments are PAY-IN, PAYOUT or TRANSFER, by direction",
        files: &["src/map/payment.rs", "src/map/joins.rs"],
        tests: &[GOLDEN, "joins_republish_what_they_change_and_only_that"],
    },
    Line {
        says: "FETCH_OTHERS: `external-payments`, awaited SCT and SDD instructions",
        files: &["src/poll/tree.rs", "src/map/external_payment.rs"],
        tests: &["streams_are_named_as_published", GOLDEN],
    },
    Line {
        says: "they are surfaced as the collection `external-payment`",
        files: &["schemas/external-payment-value.avsc", "src/publish/topics.rs"],
        tests: &["tail_shows_every_record_once_and_a_second_run_publishes_nothing"],
    },
    Line {
        says: "no transfers, payouts or bank accounts are created",
        files: &["src/atlar/client.rs"],
        tests: &["the_client_never_writes_to_atlar"],
    },
    Line {
        says: "one internal account is one row of `/v1/accounts`; its reference is Atlar's id",
        files: &["src/map/account.rs", "docs/adr/0002-key-and-partition.md"],
        tests: &[GOLDEN, "the_identity_is_that_of_the_mapped_record"],
    },
    Line {
        says: "an account's name is Atlar's",
        files: &["src/map/account.rs"],
        tests: &[GOLDEN, "the_page_says_what_the_tables_say"],
    },
    Line {
        says: "its default asset is its currency at ISO 4217 precision",
        files: &["src/map/account.rs", "src/map/amount.rs"],
        tests: &["iso_4217_decimals", GOLDEN],
    },
    Line {
        says: "external accounts come from the counterparties",
        files: &["src/map/counterparty.rs", "src/map/external_account.rs"],
        tests: &[GOLDEN, "accounts_are_joined_where_the_record_carries_none"],
    },
    Line {
        says: "metadata has the bank's id, name and BIC",
        files: &["src/map/account.rs", "src/map/joins.rs"],
        tests: &[
            "every_metadata_key_is_documented_and_shown",
            "a_bank_that_is_named_needs_no_third_party",
        ],
    },
    Line {
        says: "metadata has IBAN and other identifiers by market and type",
        files: &["src/map/metadata.rs"],
        tests: &["every_metadata_key_is_documented_and_shown", GOLDEN],
    },
    Line {
        says: "metadata has alias, owner's name and whether the account is fictive",
        files: &["src/map/account.rs"],
        tests: &["every_metadata_key_is_documented_and_shown", GOLDEN],
    },
    Line {
        says: "assets are ISO 4217 codes in upper case, in UMN",
        files: &["src/domain/money.rs", "src/map/amount.rs"],
        tests: &["assets_are_named_by_currency_and_decimals", "the_currency_and_the_text_agree"],
    },
    Line {
        says: "amounts are minor units already: no scaling",
        files: &["src/map/amount.rs"],
        tests: &[
            "the_text_wins_over_the_table",
            "every_64_bit_amount_is_exact_with_up_to_nine_decimals",
        ],
    },
    Line {
        says: "INITIATED, PENDING, SUBMITTED, INFLIGHT are PENDING",
        files: &["src/map/status.rs", "docs/status.md"],
        tests: &["the_documented_table_is_the_function"],
    },
    Line {
        says: "EXECUTED, REGISTERED, RECONCILED are SUCCEEDED",
        files: &["src/map/status.rs", "docs/status.md"],
        tests: &["the_documented_table_is_the_function"],
    },
    Line {
        says: "FAILED, REJECTED are FAILED",
        files: &["src/map/status.rs", "docs/status.md"],
        tests: &["the_documented_table_is_the_function"],
    },
    Line {
        says: "CANCELLED is CANCELLED",
        files: &["src/map/status.rs", "docs/status.md"],
        tests: &["the_documented_table_is_the_function"],
    },
    Line {
        says: "anything else is UNKNOWN",
        files: &["src/map/status.rs"],
        tests: &["everything_else_is_unknown"],
    },
    Line {
        says: "metadata keys of an account",
        files: &["src/map/account.rs"],
        tests: &["every_metadata_key_is_documented_and_shown"],
    },
    Line {
        says: "metadata keys of an external account",
        files: &["src/map/counterparty.rs"],
        tests: &["every_metadata_key_is_documented_and_shown"],
    },
    Line {
        says: "metadata keys of a payment",
        files: &["src/map/payment.rs"],
        tests: &["every_metadata_key_is_documented_and_shown"],
    },
    Line {
        says: "the tree: payments below accounts, per account; the other lists beside them",
        files: &["src/poll/tree.rs"],
        tests: &["every_branch_waits_for_one_above_it", "streams_are_named_as_published"],
    },
    Line {
        says: "each list is read periodically",
        files: &["src/poll/driver.rs"],
        tests: &["a_running_process_publishes_what_changes_and_shows_it"],
    },
    Line {
        says: "gap: balances. Closed: events of their own",
        files: &["src/map/balance.rs", "schemas/balance-value.avsc"],
        tests: &["balances_inside_accounts_are_a_stream_of_their_own", GOLDEN],
    },
    Line {
        says: "gap: nothing is initiated. Kept: the client reads",
        files: &["src/atlar/client.rs"],
        tests: &["the_client_never_writes_to_atlar"],
    },
    Line {
        says: "gap: no webhooks, changes show in the polling cycle",
        files: &["src/ingest/judge.rs"],
        tests: &["publishes_differences_and_nothing_else"],
    },
];
