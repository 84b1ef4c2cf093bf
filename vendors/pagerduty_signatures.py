"""PagerDuty's failure signatures, and what only a read-back shows: what was seen, what it means, what to do.

Source: https://developer.pagerduty.com/docs/errors, .../events-api-v2-overview, .../rate-limits
"""

from domain.diagnosis import Kind, Signature, Symptom

# Verbs whose event has a dedup key: sent twice, it stays one.
_DEDUPLICATED = frozenset({"send_event", "resolve_event", "notify", "check_routing_key"})
EVENT_VERBS = _DEDUPLICATED | {"send_change"}
REST_VERBS = frozenset(
    {
        "find_incident", "read_alert", "see_resolved", "read_service", "find_by_title", "ask_region",
        "read_integration", "find_change", "check_api_key",
    }
)  # fmt: skip


def _events(name: str, status: int, saw: str, means: str, next_step: str, *, marker: str = "") -> Signature:
    return Signature(
        f"pagerduty.{name}", frozenset({status}), Kind.REJECTED, saw, means, next_step, marker, EVENT_VERBS
    )


def _rest(
    name: str, status: int, saw: str, means: str, next_step: str, *,
    marker: str = "", verbs: frozenset[str] = REST_VERBS, kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    return Signature(f"pagerduty.{name}", frozenset({status}), kind, saw, means, next_step, marker, verbs)


_COPY_KEY = "Open the service, tab Integrations, copy the Integration Key of the Events API v2 integration, and run opsflows connect pagerduty."
_OUR_FAULT = "Report it with the audit bundle."

SIGNATURES = (
    _events("key_length", 400, "PagerDuty answered 400 to {verb}: the routing key has not 32 characters.", "It is not an integration key; often an API token was pasted in its place.", _COPY_KEY, marker="should be 32 characters"),
    _events("key_characters", 400, "PagerDuty answered 400 to {verb}: the routing key holds more than letters and digits.", "It is not an integration key; often an API token was pasted in its place.", _COPY_KEY, marker="non-alphanumeric"),
    _events("routing_key_unknown", 400, "PagerDuty answered 400 to {verb}: it does not know the routing key.", "The integration was deleted, or the key belongs to an account of the other region.", _COPY_KEY, marker="invalid routing key"),
    _events("invalid_event", 400, "PagerDuty answered 400 to {verb}: the event is invalid.", "PagerDuty could not read our event: a fault of ours.", _OUR_FAULT),
    Signature("pagerduty.events_limited", frozenset({429}), Kind.UNAVAILABLE, "PagerDuty answered 429 to {verb}.", "More than about 120 events in a minute came with this key; the event was not taken.", "Wait a minute and repeat; if it lasts, look for what else sends with this key.", "", EVENT_VERBS),
    # Repeating is safe: the dedup key makes the second event the first one's echo, and PagerDuty asks for it.
    Signature("pagerduty.events_failed", frozenset({500, 502, 503, 504}), Kind.UNAVAILABLE, "PagerDuty answered {status} to {verb}.", "The Events API failed; the same event may be sent again, since its dedup key keeps it one.", "Look at status.pagerduty.com, then verify again.", "", _DEDUPLICATED),
    _rest("api_key_unknown", 401, "PagerDuty answered 401 to {verb}.", "The REST API key is wrong, was deleted, or belongs to an account of the other region.", "Compare PAGERDUTY_REGION with the account's web address (eu in it or not), then PAGERDUTY_API_KEY with Integrations > API Access Keys."),
    _rest("plan", 402, "PagerDuty answered 402 to {verb}.", "The account's plan does not include what was asked.", "Ask the account's owner which plan includes it."),
    _rest("access_denied", 403, "PagerDuty answered 403 to {verb}.", "The REST API key may not do this: a read-only key cannot write, and a user's key sees what that user sees.", "Create a read-only general access key (Integrations > API Access Keys) and run opsflows connect pagerduty."),
    _rest("already_resolved", 400, "PagerDuty answered 400 to {verb}: the incident is resolved already.", "Somebody, or an earlier run, resolved it.", "Nothing needs to be done.", marker="already resolved"),
    _rest("api_limited", 429, "PagerDuty answered 429 to {verb}.", "More than 960 requests in a minute came with this key or user.", "Wait for the time PagerDuty names and repeat; give opsflows a key of its own.", kind=Kind.UNAVAILABLE),
    _rest("alert_not_there", 404, "PagerDuty answered 404 to {verb}.", "The incident's alerts are not readable yet.", "Wait a few seconds; if it stays, the incident was merged into another one.", verbs=frozenset({"read_alert"}), kind=Kind.NOT_YET),
    _rest("service_unknown", 404, "PagerDuty answered 404 to {verb}.", "PAGERDUTY_SERVICE_ID names no service that this key can see.", "Open the service; its id stands at the end of the address (/service-directory/P...).", verbs=frozenset({"read_service", "read_integration", "list_credentials", "create"})),
)  # fmt: skip

# What only a read-back shows.
SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("pagerduty.unseen", "No incident carries the dedup key of nonce {nonce} yet.", "PagerDuty queued the event; an incident is not there.", "Wait a few seconds; if it stays away, look at the service's Integrations tab and its status."),
        Symptom("pagerduty.not_found_by_title", "No incident has the nonce {nonce} in its title yet.", "The system before PagerDuty in the chain has not opened one.", "Look at that system's alert rule and at the service it opens incidents in."),
        Symptom("pagerduty.alert_unseen", "The incident of nonce {nonce} shows no alert yet.", "The incident is there; which integration opened it cannot be read yet.", "Wait a few seconds and verify again."),
        Symptom("pagerduty.change_unseen", "No change event carries the nonce {nonce} yet.", "PagerDuty queued the event; it is not in the list of changes.", "Wait a few seconds; if it stays away, look at the service's Recent Changes and at the integration's key."),
        Symptom("pagerduty.still_open", "The incident of nonce {nonce} is not resolved yet.", "The resolve was answered 202; a resolve sent with another key than the trigger's is dropped all the same.", "Wait a few seconds; if it stays open, resolve it in PagerDuty by hand."),
        Symptom("pagerduty.other_service", "The incident of nonce {nonce} was opened in service {service}, not in PAGERDUTY_SERVICE_ID.", "The routing key belongs to an integration of another service.", "Open the intended service, tab Integrations, and compare its key with the one in use; or correct PAGERDUTY_SERVICE_ID."),
        Symptom("pagerduty.service_paused", "PagerDuty answered 202 to the event with nonce {nonce}, and no incident appeared: the service is {status}.", "A service that is disabled or in maintenance opens no incidents; the key is not the cause.", "Enable the service, or end its maintenance window, and verify again."),
        Symptom("pagerduty.key_of_other_service", "PagerDuty answered 202 to the event with nonce {nonce}, and no incident appeared: the routing key is none of the service's.", "It belongs to an integration of another service, or to an event orchestration that routes elsewhere.", "Open the service, tab Integrations, and compare its key with the one in use."),
        Symptom("pagerduty.suppressed", "PagerDuty answered 202 to the event with nonce {nonce}, and no incident appeared in an active service that has this key.", "A rule suppressed, paused or dropped it (event orchestration, auto-pause); the key is not the cause.", "Look at the service's Event Orchestration and at Alerts, with status suppressed, for the nonce."),
        Symptom("pagerduty.accepted_unseen", "PagerDuty answered 202 to the event with nonce {nonce}, and no incident appeared.", "A wrong key would be answered 400: this one belongs to another service, the service is paused, or a rule suppressed the event.", "Set PAGERDUTY_SERVICE_ID, and the next verification finds out which; or open the service's Integrations tab and its status."),
    )
}  # fmt: skip
