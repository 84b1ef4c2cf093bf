"""Splunk's refusals and silences, each a row: what was seen, what it means, what to do.

The collector's codes are told apart by their text, since other bodies hold numbers too.
Source: https://help.splunk.com (HTTP Event Collector, troubleshoot and REST API endpoints)
"""

from domain.diagnosis import Kind, Signature, Symptom

_COLLECTOR = frozenset({"send_event", "poll_ack", "check_hec_token"})
_COUNTING = frozenset({"count_events", "count_total", "list_events"})
_SEARCH = frozenset({"search_event", "check_token"}) | _COUNTING


def _hec(
    name: str, status: int | frozenset[int], text: str, means: str, next_step: str, *, kind: Kind = Kind.REJECTED
) -> Signature:
    statuses = status if isinstance(status, frozenset) else frozenset({status})
    saw = f"Splunk's collector answered {{status}} to {{verb}}{f': {text}' if text else ''}."
    return Signature(f"splunk.{name}", statuses, kind, saw, means, next_step, text, _COLLECTOR)


def _api(
    name: str, status: int | frozenset[int], means: str, next_step: str, *,
    kind: Kind = Kind.REJECTED, marker: str = "", verbs: frozenset[str] = _SEARCH,
) -> Signature:  # fmt: skip
    statuses = status if isinstance(status, frozenset) else frozenset({status})
    return Signature(
        f"splunk.{name}", statuses, kind, "Splunk answered {status} to {verb}.", means, next_step, marker, verbs
    )


_TOKEN = "Copy the Token Value from Settings > Data Inputs > HTTP Event Collector, and run opsflows connect splunk."  # noqa: S105
_OUR_FAULT = "Report it with the audit bundle."
_BUSY = "Wait and repeat; if it lasts, the indexers or the collector need more room."
_REFUSED = frozenset({400, 401, 403})

SIGNATURES = (
    # Codes 1-4, and 21 and 22, which say the same of the health endpoint.
    _hec("token_disabled", _REFUSED, "Token disabled", "The HEC token is switched off, or all tokens are.", "Enable it under Settings > Data Inputs > HTTP Event Collector (and Global Settings > All Tokens Enabled); confirm that its allowed indexes include SPLUNK_INDEX."),
    _hec("token_required", _REFUSED, "Token is required", "The token did not reach Splunk: something on the way removes the Authorization header.", "Look at the proxy or load balancer in front of the collector."),
    _hec("authorization_malformed", _REFUSED, "Invalid authorization", "Splunk could not read the Authorization header: the token holds more than a token.", _TOKEN),
    _hec("token_unknown", _REFUSED, "Invalid token", "The token is wrong or was deleted, or this receiver does not have it: in a cluster every one needs it.", _TOKEN),
    # Codes 5 and 6, 12, 13 and 15.
    _hec("no_data", 400, "No data", "The event's body did not arrive: something on the way removed it.", "Look at the proxy or load balancer in front of the collector."),
    _hec("data_format", 400, "Invalid data format", "Splunk could not read our event: a fault of ours.", _OUR_FAULT),
    _hec("event_missing", 400, "Event field is required", "Splunk could not read our event: a fault of ours.", _OUR_FAULT),
    _hec("event_blank", 400, "Event field cannot be blank", "Splunk could not read our event: a fault of ours.", _OUR_FAULT),
    _hec("indexed_fields", 400, "Error in handling indexed fields", "Splunk could not read our event's fields: a fault of ours.", _OUR_FAULT),
    # Code 7.
    _hec("index_refused", 400, "Incorrect index", "SPLUNK_INDEX does not exist, or is none of the token's allowed indexes.", "Add the index to the token under Settings > Data Inputs > HTTP Event Collector, or correct SPLUNK_INDEX."),
    # Codes 10, 11 and 14.
    _hec("channel_missing", 400, "Data channel is missing", "The token wants acknowledgements, and the channel did not reach Splunk: something on the way removes the X-Splunk-Request-Channel header.", "Let the header through, or switch indexer acknowledgement off for this token."),
    _hec("channel_invalid", 400, "Invalid data channel", "Splunk does not take the channel: something on the way changes the X-Splunk-Request-Channel header.", "Let the header through unchanged, or switch indexer acknowledgement off for this token."),
    _hec("ack_disabled", 400, "ACK is disabled", "Acknowledgements were switched off for this token after the event was sent.", "Give SPLUNK_TOKEN and SPLUNK_API_URL, so that the event can be searched."),
    # Code 16.
    _hec("query_authorization", 400, "Query string authorization is not enabled", "The token arrived in the address, where we never put it: something on the way rewrites requests.", "Look at the proxy or load balancer in front of the collector."),
    # Codes 9, 18-20, 23, 26 and 27: nothing was taken. The longer text stands above the one it contains.
    _hec("busy", 503, "Server is busy", "The collector's queue is full; nothing was taken.", _BUSY, kind=Kind.UNAVAILABLE),
    _hec("queues_and_ack_full", 503, "queues are full, ack service unavailable", "The collector's queues are full and it cannot acknowledge; nothing was taken.", _BUSY, kind=Kind.UNAVAILABLE),
    _hec("queues_full", 503, "queues are full", "The collector's queues are full; nothing was taken.", _BUSY, kind=Kind.UNAVAILABLE),
    _hec("ack_unavailable", 503, "ack service unavailable", "The collector cannot acknowledge at the moment; nothing was taken.", _BUSY, kind=Kind.UNAVAILABLE),
    _hec("shutting_down", 503, "Server is shutting down", "This receiver is being stopped; nothing was taken.", "Repeat; a load balancer should reach another receiver.", kind=Kind.UNAVAILABLE),
    _hec("queue_at_capacity", frozenset({429, 503}), "queue is at capacity", "The collector's queue is at its limit; nothing was taken.", _BUSY, kind=Kind.UNAVAILABLE),
    _hec("ack_at_capacity", frozenset({429, 503}), "ACK channel is at capacity", "The token's channels for acknowledgements are used up; nothing was taken.", _BUSY, kind=Kind.UNAVAILABLE),
    _hec("limited", 429, "", "The collector, or what stands in front of it, limits how often it may be called; nothing was taken.", _BUSY, kind=Kind.UNAVAILABLE),
    # Code 8. Splunk removes no duplicates, so the event is looked for before it is sent again.
    _hec("collector_failed", 500, "Internal server error", "The collector failed; the event may have been taken all the same.", "Look at Splunk's splunkd.log, then verify again.", kind=Kind.OUTCOME_UNKNOWN),
    _hec("no_collector", frozenset({404, 405}), "", "No collector answers at SPLUNK_HEC_URL: it is switched off, or the port is the web interface's (8000) or the management's (8089).", "Look at Settings > Data Inputs > HTTP Event Collector > Global Settings for the port (8088 unless changed)."),
    _hec("not_success", 200, '"code"', "A 200 of the collector is success only with code 0.", "Look the code up on the integration's page, docs/integrations/splunk.md."),
    _api("search_quota", frozenset({200, 400, 403, 503}), "The user or the instance runs as many searches at once as it may.", "Wait and repeat; give opsflows a user of its own.", kind=Kind.UNAVAILABLE, marker="quota"),
    _api("search_token_unknown", 401, "SPLUNK_TOKEN is wrong, expired or was deleted, or token authentication is switched off.", "Create a token under Settings > Tokens (enable token authentication there), and run opsflows connect splunk."),
    _api("search_forbidden", 403, "The token's user may not search.", "Give the user's role the capability search and the index under searchable indexes."),
    _api("no_api", frozenset({404, 405}), "No management API answers at SPLUNK_API_URL, or its version is older than 9.", "Write the management port, 8089 unless changed: not the web interface's (8000), not the collector's (8088)."),
    _api("name_taken", 409, "Something of that name exists already.", "Choose another name, or delete the old one."),
    _api("search_refused", frozenset({200, 400}), "Splunk could not run the search.", _OUR_FAULT, marker='"messages"'),
)  # fmt: skip

# What Splunk says to those who count; these stand above the rows for every search.
COUNT_SIGNATURES = (
    _api("counts_quota", frozenset({200, 400, 403, 503}), "The user or the instance runs as many searches at once as it may; nothing was counted.", "Wait and repeat; give opsflows a user of its own.", kind=Kind.UNAVAILABLE, marker="quota", verbs=_COUNTING),
    _api("counts_refused", frozenset({200, 400}), "Splunk could not run the search: most often query, type_field or id_field is not in its language.", "Try the query in Splunk's Search, and correct [received.<environment>.<target>] in opsflows.toml.", marker='"messages"', verbs=_COUNTING),
)  # fmt: skip

# What only a read-back shows.
SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("splunk.unseen", "No event with nonce {nonce} can be searched yet.", "The collector took the event; a search does not show it.", "Wait a few seconds."),
        Symptom("splunk.not_acknowledged", "The collector has not acknowledged the event with nonce {nonce} yet.", "It took the event; no indexer has written it.", "Wait a few seconds; with several receivers, the load balancer must keep a client on one of them."),
        Symptom("splunk.lost_after_200", "The collector answered 200 to the event with nonce {nonce}, and it never came to light in SPLUNK_INDEX.", "A 200 is given before the event enters the pipeline: it was lost there, a transform sent it elsewhere, or the search user's role may not see the index.", "Look at the role's searchable indexes first, then at splunkd.log (HttpInputDataHandler) and at props and transforms."),
        Symptom("splunk.index_not_named", "The collector answered 200 to the event with nonce {nonce}, and it never came to light.", "Without SPLUNK_INDEX the event went to the token's default index, which the search user's role may not see.", "Set SPLUNK_INDEX to one of the token's allowed indexes, and let the role search it."),
    )
}  # fmt: skip
