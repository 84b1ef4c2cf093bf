"""Sentry's refusals and silences, each a row: what was seen, what it means, what to do.

Source: https://develop.sentry.dev/sdk/expected-features/rate-limiting/, https://docs.sentry.io/api/ratelimits/
"""

from domain.diagnosis import Kind, Signature, Symptom

_INGEST = frozenset({"send_event", "raise_error"})
_API = frozenset({"read_event", "error_indexed", "resolve_issue", "list_keys", "ask_region"})


def row_of(
    name: str, status: int | frozenset[int], means: str, next_step: str, *, marker: str = "",
    kind: Kind = Kind.REJECTED, verbs: frozenset[str] = _INGEST, saw: str = "Sentry answered {status} to {verb}.",
) -> Signature:  # fmt: skip
    statuses = status if isinstance(status, frozenset) else frozenset({status})
    return Signature(f"sentry.{name}", statuses, kind, saw, means, next_step, marker, verbs)


_DSN = "Copy the DSN again from the right organisation's project: Settings > Client Keys (DSN), and run opsflows connect sentry."
_TOKEN = (
    "Create an internal integration (Settings > Custom Integrations), copy its token, and run opsflows connect sentry."  # noqa: S105
)
_OUR_FAULT = "Report it with the audit bundle."

SIGNATURES = (
    row_of("no_key", frozenset({401, 403}), "The DSN's key did not reach Sentry: something on the way removes the X-Sentry-Auth header.", "Look at the proxy between this machine and Sentry.", marker="missing authorization information"),
    row_of("rejected", 403, "Sentry knows no active key like the DSN's for that project at that host: the key was disabled or deleted, the project is disabled, or the organisation lives in the other region.", f"Compare the DSN's host (*.ingest.us.sentry.io or *.ingest.de.sentry.io) with your organisation's region. {_DSN}", marker="with_reason"),
    row_of("dsn_refused", frozenset({401, 403}), "The DSN looks valid and is not: most often a US DSN for an organisation in the EU, or the other way round.", f"Compare the DSN's host (*.ingest.us.sentry.io or *.ingest.de.sentry.io) with your organisation's region. {_DSN}"),
    row_of("project_gone", 404, "No project has the DSN's project id at that host.", _DSN),
    row_of("bad_envelope", 400, "Sentry could not read our envelope: a fault of ours.", _OUR_FAULT),
    row_of("too_large", 413, "The envelope is larger than Sentry takes: a fault of ours.", _OUR_FAULT),
    row_of("ingest_limited", 429, "A quota, a spike protection or a rate limit of the key is reached; a cold account's first burst is limited too. The event was dropped.", "Wait for the time Sentry names and repeat; if it lasts, look at Stats & Usage and at the key's rate limit.", kind=Kind.UNAVAILABLE),
    row_of("limited_with_200", 200, "The answer's X-Sentry-Rate-Limits names our kind of event: errors of this key are dropped for now, this one perhaps among them.", "Wait for the time Sentry names and repeat; if it lasts, look at Stats & Usage and at the key's rate limit.", marker='"id"', kind=Kind.UNAVAILABLE, saw="Sentry answered 200 to {verb}, with a rate limit for errors."),
    # Repeating is safe: the same event id is stored once.
    row_of("ingest_failed", frozenset({500, 502, 503, 504}), "Sentry's ingest failed or could not queue the event; the same event may be sent again, since its id keeps it one.", "Look at status.sentry.io, then verify again.", kind=Kind.UNAVAILABLE),
    row_of("token_unknown", 401, "SENTRY_AUTH_TOKEN is wrong or was revoked, or belongs to an organisation in the other region.", _TOKEN, verbs=_API),
    row_of("scope_missing", 403, "The auth token lacks a scope: project:read to read events, event:write to resolve issues.", "Add the scopes to the internal integration's permissions (Project: Read, Issue & Event: Read & Write), and run opsflows connect sentry.", verbs=_API),
    row_of("event_unseen", 404, "Sentry took the event; the project does not show it yet.", "Wait: events take up to two minutes.", kind=Kind.NOT_YET, verbs=frozenset({"read_event", "error_indexed"})),
    row_of("issue_gone", 404, "The issue of our events was deleted or merged into another one.", "Nothing needs to be done; the next verification opens a new one.", verbs=frozenset({"resolve_issue"})),
    row_of("project_unknown", 404, "SENTRY_ORG or SENTRY_PROJECT names nothing that this token can see.", "Copy both from the project's address: <organisation>.sentry.io/projects/<project>/.", verbs=_API),
    row_of("api_limited", 429, "This token asks more often than Sentry allows.", "Wait until the moment in X-Sentry-Rate-Limit-Reset and repeat.", kind=Kind.UNAVAILABLE, verbs=_API),
)  # fmt: skip

# What only a read-back shows.
SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("sentry.no_issue_yet", "The event {nonce} belongs to no issue yet.", "Sentry stored the event and is still grouping it.", "Wait a few seconds."),
        Symptom("sentry.key_of_other_project", "Sentry answered 200 to the event {nonce}, and SENTRY_PROJECT does not show it: the DSN's key is none of that project's.", "Either SENTRY_DSN or SENTRY_PROJECT is of another project.", _DSN),
        Symptom("sentry.key_disabled", "Sentry answered 200 to the event {nonce}, and the project does not show it: the DSN's key is disabled.", "An ingest that has not looked at the key yet answers 200 and drops the event.", "Enable the key under Settings > Client Keys (DSN), or copy an active one, and verify again."),
        Symptom("sentry.event_dropped", "Sentry answered 200 to the event {nonce}, and the project never showed it, though the DSN's key is active.", "An inbound filter, a quota or a sampling rule dropped it after it was taken.", "Look at Stats & Usage for filtered and rate-limited events, and at the project's Settings > Inbound Filters."),
    )
}  # fmt: skip

_COUNTING = frozenset({"count_probes", "count_types", "count_outcomes", "count_listed", "list_events"})

# What Sentry says to those who count. Source: https://docs.sentry.io/api/organizations/, https://docs.sentry.io/api/ratelimits/
COUNT_SIGNATURES = (
    row_of("counts_too_many", 400, "The span of time has more points than Sentry shows at once.", "Report it with the audit bundle.", marker="too many results", verbs=_COUNTING),
    row_of("counts_refused", 400, "Sentry does not take the question: most often type_field, id_field or query names what it does not know.", "Compare [received.<environment>.<target>] in opsflows.toml with the fields in Sentry's Discover.", verbs=_COUNTING),
    row_of("counts_token_unknown", 401, "SENTRY_AUTH_TOKEN is wrong or was revoked, or belongs to an organisation in the other region.", _TOKEN, verbs=_COUNTING),
    row_of("counts_scope_missing", 403, "The auth token lacks the scope org:read, which counting takes.", "Set the internal integration's permission Organization to Read, then count again.", verbs=_COUNTING),
    row_of("counts_organisation_unknown", 404, "SENTRY_ORG names nothing that this token can see, or the plan has no such endpoint.", "Copy the organisation from the address <organisation>.sentry.io.", verbs=_COUNTING),
    row_of("counts_limited", 429, "This token asks more often than Sentry allows; nothing was counted.", "Wait until the moment in X-Sentry-Rate-Limit-Reset and repeat.", kind=Kind.UNAVAILABLE, verbs=_COUNTING),
)  # fmt: skip
