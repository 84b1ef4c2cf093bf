"""GitHub's refusals and silences, each a row: what was seen, what it means, what to do.

The texts of the 401s stand on no page of GitHub's; they are those that clients report (octokit/auth-app.js, github3.py).
Source: https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api, .../rate-limits-for-the-rest-api
"""

from domain.diagnosis import Kind, Signature, Symptom

# Made by the app itself, with a token signed by its private key.
_BY_APP = frozenset({"read_app", "read_installation", "create_token"})
_OF_HOOK = frozenset({"list_deliveries", "read_delivery", "redeliver", "set_hook_secret"})
# Made by its installation in one repository.
_OF_REPOSITORY = frozenset({"read_public_key", "write_secret", "delete_secret"})
_BY_INSTALLATION = _OF_REPOSITORY | {"drop_token"}
_ONE_DELIVERY = frozenset({"read_delivery", "redeliver"})
_CHANGES = frozenset({"set_hook_secret", "redeliver", "write_secret", "delete_secret", "create_token"})


def _row(
    name: str, statuses: set[int], means: str, next_step: str, *,
    verbs: frozenset[str] = _BY_APP | _OF_HOOK, marker: str = "", kind: Kind = Kind.REJECTED,
) -> Signature:  # fmt: skip
    saw = "GitHub answered {status} to {verb}."
    return Signature(f"github.{name}", frozenset(statuses), kind, saw, means, next_step, marker, verbs)


_PAGE = "the app's settings on GitHub (Settings > Developer settings > GitHub Apps > Edit)"

SIGNATURES = (
    # Times first: they say nothing about the key. We date the token by GitHub's own clock, so that these are rare.
    _row("token_out_of_time", {401}, "The end of the token's life does not fit GitHub's clock; that says nothing about the private key.", "Repeat it; if it stays, see who answers in between and dates its answers wrongly (a proxy), and look at this machine's clock.", marker="Expiration time", kind=Kind.UNAVAILABLE),
    _row("token_too_early", {401}, "The token seems to come from the future; that says nothing about the private key.", "Repeat it; if it stays, see who answers in between and dates its answers wrongly (a proxy), and look at this machine's clock.", marker="Issued at", kind=Kind.UNAVAILABLE),
    _row("app_id_wrong", {401}, "GITHUB_APP_ID is neither an app's number nor the client id of an app that GitHub knows.", f"Copy the App ID from the top of {_PAGE} and run opsflows connect github.", marker="issuer"),
    _row("app_without_keys", {401}, "The app that GITHUB_APP_ID names has no private key at all, so this one is none of its keys.", f"Compare GITHUB_APP_ID with {_PAGE}, and generate a private key there.", marker="must generate a public key"),
    _row("key_unknown", {401}, "GitHub does not know the private key: it was deleted on the app's page, or belongs to another app than GITHUB_APP_ID names.", f"Compare the key's fingerprint with those under Private keys in {_PAGE}; docs/integrations/github.md says how.", marker="could not be decoded"),
    _row("unauthorized", {401}, "GitHub read no token of an app in the request: something on the way may have removed the Authorization header.", "Look at the proxy between this machine and GitHub, then at GITHUB_API_URL."),
    _row("installation_token_refused", {401}, "GitHub does not take the installation's token that it made a moment ago.", "Repeat it: another token is made; if it stays, look at githubstatus.com.", verbs=_BY_INSTALLATION, kind=Kind.UNAVAILABLE),
    _row("rate_limited", {403, 429}, "The app, or its installation, asks more often than GitHub allows; nothing was taken.", "Wait for the time GitHub names and repeat; look for what else uses the app.", verbs=frozenset(), marker="rate limit", kind=Kind.UNAVAILABLE),
    _row("suspended", {403}, "The installation of the app was suspended by its account's owner.", "Ask an owner to unsuspend it: the account's Settings > GitHub Apps > Configure.", marker="suspended"),
    _row("forbidden", {403}, "The app is known and lacks a permission: Actions secrets need the repository permission Secrets: Read and write.", f"Add the permission in {_PAGE}, then let an owner of the account accept it.", verbs=frozenset()),
    _row("app_unknown", {404}, "GITHUB_APP_ID names no app at this address: it was deleted, or lives on another GitHub than GITHUB_API_URL names.", f"Compare GITHUB_APP_ID and GITHUB_API_URL with {_PAGE}.", marker="Integration not found"),
    _row("app_unknown_here", {404}, "What answers at GITHUB_API_URL knows no apps.", "For GitHub itself leave GITHUB_API_URL empty; for GitHub Enterprise Server it ends in /api/v3.", verbs=frozenset({"read_app"})),
    _row("installation_unknown", {404}, "GITHUB_INSTALLATION_ID names no installation of this app.", "Open the account's Settings > GitHub Apps > Configure: the number at the end of the address is the id.", verbs=frozenset({"read_installation", "create_token"})),
    _row("delivery_gone", {404}, "The delivery is not there any more, or not yet: GitHub keeps deliveries for three days.", "The list is looked at again; if it stays, let the app deliver an event.", verbs=_ONE_DELIVERY, kind=Kind.NOT_YET),
    _row("no_webhook", {404}, "The app has no webhook.", f"Set the webhook's address and secret in {_PAGE}, under Webhook; an app without one needs no GITHUB_WEBHOOK_SECRET.", verbs=_OF_HOOK - _ONE_DELIVERY),
    _row("repository_unknown", {404}, "The repository does not exist, or the app is not installed in it.", "Compare its name (owner/repository) in opsflows.toml with the repositories of the installation.", verbs=frozenset({"read_public_key", "write_secret"})),
    _row("token_not_granted", {422}, "The installation does not have the repository, or not the permission Secrets: Read and write.", f"Add the repository to the installation, the permission in {_PAGE}, and let an owner of the account accept it.", verbs=frozenset({"create_token"})),
    _row("not_redelivered", {400, 422}, "GitHub does not send this delivery again.", "Let the app deliver an event (open an issue in a repository of the installation), then go on.", verbs=frozenset({"redeliver"})),
    _row("secret_not_taken", {400, 422}, "GitHub did not take the secret as we wrote it.", "Compare the name with GitHub's rules (letters, digits and underscores, not GITHUB_ at the start); the key that it is sealed for may have changed in between, so repeat it once.", verbs=_OF_REPOSITORY),
    _row("hook_not_changed", {400, 422}, "GitHub did not take the webhook's secret.", "Report it with the audit bundle.", verbs=frozenset({"set_hook_secret"})),
    _row("change_unclear", {408, 409}, "GitHub did not say whether the change was made.", "It is looked at again by itself; each of these changes may be made twice.", verbs=_CHANGES, kind=Kind.OUTCOME_UNKNOWN),
)  # fmt: skip

_DELIVER = "Let the app deliver an event: open or label an issue in a repository of the installation, or whatever event the app subscribes to."

# What only a look at the app or at a delivery shows.
SYMPTOMS = {
    row.id: row
    for row in (
        Symptom("github.another_app", "GitHub takes the private key for the app {seen}, and GITHUB_APP_ID is {wanted}.", "The two are of different apps.", "Copy both from one app's settings page and run opsflows connect github."),
        Symptom("github.installation_suspended", "The installation {installation} of the app is suspended.", "GitHub gives it no token, so the app reaches none of its repositories; the private key itself works.", "Ask an owner to unsuspend it: the account's Settings > GitHub Apps > Configure."),
        Symptom("github.no_delivery", "GitHub lists no delivery of the app's webhook from the last three days.", "What the webhook is signed with shows on a delivery alone, and nothing can be sent again.", _DELIVER),
        Symptom("github.other_secret", "The delivery {delivery} is signed with another secret than this one.", "The webhook's secret at GitHub is another: it was changed there, or never was this one.", "Where it was replaced, this is how it should be; where it is the one in use, type it into Webhook secret on the app's settings page."),
        Symptom("github.unsigned", "The delivery {delivery} is not signed at all.", "The app's webhook has no secret: anybody could write what receivers take for GitHub's.", "Type the secret that the receivers know into Webhook secret on the app's settings page, and see that receivers refuse what is unsigned."),
        Symptom("github.signature_unreadable", "The delivery {delivery} has a payload that cannot be written again as it was signed.", "It holds numbers or characters that JSON writes in several ways, so its signature says nothing about this secret.", _DELIVER),
        Symptom("github.redelivery_unseen", "GitHub took the order to deliver {guid} again, and does not list the second delivery yet.", "Deliveries can take some minutes when GitHub is busy.", "Look at Advanced > Recent deliveries on the app's settings page; it is tried again by itself."),
        Symptom("github.redelivery_pending", "The delivery {delivery} has no answer of the receiver yet.", "GitHub waits for the receiver, ten seconds at most.", "Wait a few seconds."),
        Symptom("github.receiver_refused", "The receiver answered {status} to the delivery {delivery}, which is signed with this secret.", "The receiver does not know this secret yet, or refuses a delivery that it has seen before.", "Give the receiver both secrets, the new one and the old one, and let it answer 2xx to what it has seen already; then go on."),
        Symptom("github.receiver_away", "The delivery {delivery} did not reach the receiver, or failed there ({status}).", "That says nothing about the secret: the receiver is down, or GitHub cannot reach it.", "Look at Advanced > Recent deliveries on the app's settings page and at the receiver, then go on."),
    )
}  # fmt: skip
