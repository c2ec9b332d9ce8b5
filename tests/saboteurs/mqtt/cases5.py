"""Which scenario of MQTT 5 alone catches which wrong client, with which words."""

from __future__ import annotations

from tests.saboteurs.mqtt.cases import FAIL, TIMEOUT, Case

#: As `cases.WITNESSES` has it.
WITNESSES = {
    "sends_nothing_larger_than_the_server_takes": "keeps-to-the-limits",
    "sends_no_topic_alias_above_the_maximum": "keeps-to-the-limits",
    "publishes_at_no_qos_above_the_maximum": "keeps-to-the-limits",
    "retains_nothing_where_the_server_cannot": "keeps-to-the-limits",
    "has_no_more_under_way_than_the_server_takes": "keeps-to-the-limits",
    "sends_no_more_again_than_the_server_takes": "keeps-to-the-limits",
    "resolves_a_topic_alias": "resolves-aliases",
    "reports_a_refused_publish": "looks-at-pubrec",
}

CASES = [
    Case(
        "insists-on-its-keep-alive",
        "takes_the_keep_alive_of_the_server",
        FAIL,
        r"the client pings within 7.5 s of silence; observed it sent no PINGREQ",
    ),
    # properties
    Case("sorts-user-properties", "publishes_user_properties", FAIL, r"in order: .*observed the subscriber got .*unit"),
    Case("keeps-one-value-a-name", "receives_user_properties", FAIL, r"in order: .*observed the crate got .*\"K\""),
    Case("publishes-without-properties", "publishes_a_content_type", FAIL, r"content type .*observed the subscriber"),
    Case("delivers-without-properties", "receives_a_content_type", FAIL, r"content type .*observed the crate got"),
    Case("publishes-without-properties", "asks_and_gets_an_answer", FAIL, r"the request says where the answer goes"),
    Case("delivers-without-properties", "receives_a_request", FAIL, r"delivers response topic and correlation data"),
    Case("publishes-without-properties", "publishes_with_an_expiry", FAIL, r"the long-lived message alone: .* · "),
    Case(
        "delivers-without-properties",
        "receives_what_is_left_of_an_expiry",
        FAIL,
        r"expiry of less than 3600 s; observed it delivered 32 bytes",
    ),
    # sessions
    Case(
        "keeps-every-session",
        "a_session_ends_when_it_expires",
        FAIL,
        r"no session is left after 0 s",
        (("seconds", 0),),
    ),
    Case(
        "keeps-every-session",
        "a_session_ends_when_it_expires",
        TIMEOUT,
        r"the server ends the session after that time; observed the broker did not log",
        (("seconds", 1),),
    ),
    Case(
        "leaves-without-properties", "ends_its_session_when_it_leaves", FAIL, r"no session is left; observed .*\(1, 0\)"
    ),
    Case(
        "keeps-connack-to-itself", "tells_the_client_id_that_the_broker_made_up", FAIL, r"auto-; observed it told None"
    ),
    Case(
        "hides-reason-codes",
        "tells_why_the_server_ended_the_connection",
        FAIL,
        r"reason code 0x8e; observed it was told",
    ),
    # subscriptions
    Case(
        "ignores-subscription-options", "subscribes_without_its_own_messages", FAIL, r"published alone: .*the crate got"
    ),
    Case("ignores-subscription-options", "sees_retain_as_published", FAIL, r"as it was published: .*the crate got"),
    Case(
        "wants-nothing-retained",
        "chooses_when_retained_messages_come",
        FAIL,
        r"comes 2 times, then the marker: .*the crate got [^·]*$",
        (("handling", 0),),
    ),
    Case(
        "ignores-subscription-options",
        "chooses_when_retained_messages_come",
        FAIL,
        r"comes 1 times, then the marker: .*the crate got .* · .* · ",
        (("handling", 1),),
    ),
    Case(
        "ignores-subscription-options",
        "chooses_when_retained_messages_come",
        FAIL,
        r"comes 0 times, then the marker: .*the crate got .* · .* · ",
        (("handling", 2),),
    ),
    Case(
        "delivers-without-properties",
        "tells_which_subscription_matched",
        FAIL,
        r"identifiers \[1, 268435455\]; observed",
    ),
    Case("leaves-its-group", "shares_a_subscription", FAIL, r"each once; observed they delivered .*\(20 in all\)"),
    Case("hides-reason-codes", "tells_that_nobody_is_subscribed", FAIL, r"reason code 0x10; observed it told None"),
    Case("hides-reason-codes", "tells_that_no_subscription_existed", FAIL, r"reason code 0x11; observed it told None"),
    # limits
    Case("takes-any-size", "limits_what_it_receives", FAIL, r"small enough alone: .*observed the crate got 2000 bytes"),
    Case("takes-any-number", "limits_what_is_under_way_to_it", FAIL, r"the first is acknowledged; observed it sent 5"),
    Case(
        "exceeds-the-limits",
        "sends_nothing_larger_than_the_server_takes",
        FAIL,
        r"3000000 bytes ends in an error of the crate; observed the crate reported success",
    ),
    Case("numbers-aliases-anew", "publishes_with_a_topic_alias", TIMEOUT, r"the publish at QoS 1 completes"),
    Case(
        "exceeds-the-limits",
        "sends_no_topic_alias_above_the_maximum",
        FAIL,
        r"the server's 10 ends in an error of the crate; observed the crate reported success",
    ),
    Case(
        "ignores-aliases",
        "resolves_a_topic_alias",
        FAIL,
        r"both under the topic: .*the crate got .* · 32 bytes .* on ,",
    ),
    Case(
        "exceeds-the-limits", "publishes_at_no_qos_above_the_maximum", FAIL, r"above 0; observed the server got one at"
    ),
    Case("exceeds-the-limits", "retains_nothing_where_the_server_cannot", FAIL, r"RETAIN=1; observed the server got 1"),
    *(
        Case(
            "exceeds-the-limits",
            "has_no_more_under_way_than_the_server_takes",
            FAIL,
            r"at most 2 messages before the first is acknowledged; observed 5 came",
            (("qos", qos),),
            slow=qos == 2,
        )
        for qos in (1, 2)
    ),
    Case(
        "exceeds-the-limits",
        "sends_no_more_again_than_the_server_takes",
        FAIL,
        r"at most 2 messages before the first is acknowledged; observed 5 came",
        slow=True,
    ),
    Case(
        "takes-any-receive-maximum",
        "refuses_a_receive_maximum_of_zero",
        FAIL,
        r"the crate reported success, and stayed",
        slow=True,
    ),
    # refusals
    *(
        Case(
            "takes-any-answer-for-success",
            "reports_a_refused_publish",
            FAIL,
            r"the publish ends in an error, as \w+ says 0x87; observed the crate reported success",
            (("qos", qos),),
        )
        for qos in (1, 2)
    ),
    *(
        Case(
            "gets-stuck-on-refusals",
            "goes_on_after_refused_publishes",
            FAIL,
            r"publish 3 comes, as those before it were answered; observed it did not come",
            (("qos", qos),),
        )
        for qos in (1, 2)
    ),
    # wills
    Case(
        "forgets-properties-of-its-will", "the_will_has_properties", FAIL, r"with its properties: .*the subscriber got"
    ),
    Case("forgets-properties-of-its-will", "the_will_can_wait", FAIL, r"4 s after the .*observed it came after 0"),
    Case("leaves-without-properties", "leaves_its_will_behind", FAIL, r"a subscriber gets the will: .*got nothing"),
]
