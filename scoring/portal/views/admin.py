"""The admin's pages: who has which role, learners and erasure, trusted keys, the audit log."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from scoring.portal import audit
from scoring.portal.models import ROLES, AuditEntry, Learner, Membership, Token
from scoring.portal.people import check_email, invite, join
from scoring.portal.people import erase as erase_learner
from scoring.portal.verifying import again
from scoring.portal.views.tools import email_link, page_of, see, told
from sim.attempt import is_hex
from sim.errors import UsageError


class NewMember(forms.Form):
    """Somebody and a role."""

    email = forms.EmailField(label="E-mail")
    role = forms.ChoiceField(choices=[(r, r) for r in ROLES])
    learner = forms.ModelChoiceField(
        Learner.objects.none(), required=False, to_field_name="pseudonym", help_text="for the role fellow: which learner this is"
    )


@require_http_methods(["GET", "HEAD", "POST"])
@told("members")
def members(request: HttpRequest, programme: str) -> HttpResponse:
    """List who has a role; invite somebody."""
    seat = see(request)
    form = NewMember(request.POST or None)
    free = Learner.objects.filter(programme=seat.programme, membership=None, erased=None).order_by("name")
    form.fields["learner"].queryset = free
    form.fields["learner"].label_from_instance = lambda who: f"{who.name or who.external_id} ({who.pseudonym})"
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        with transaction.atomic():
            email = check_email(data["email"], "e-mail")
            made, secret = join(seat.programme, email, data["role"], data["learner"])
            seat.note("role given", f"user {made.user_id}", made.role)
        email_link(request, made.user, secret, seat.programme)
        return redirect("members", programme)
    found = Membership.objects.filter(programme=seat.programme).select_related("user", "learner").order_by("role", "user__email")
    return render(request, "portal/members.html", {"form": form, "members": page_of(request, found)})


@require_POST
@told("members")
def member(request: HttpRequest, programme: str, member: int) -> HttpResponse:
    """Do one thing to a role: invite again, sign its desktops out, or take it away."""
    seat = see(request)
    one = get_object_or_404(Membership.objects.select_related("user"), pk=member, programme=seat.programme)
    what = request.POST.get("do", "")
    if what == "remove":
        if one.pk == seat.membership.pk:
            raise UsageError("nobody takes the admin's role from himself; ask another admin")
        with transaction.atomic():
            seat.note("role taken", f"user {one.user_id}", one.role)
            one.delete()
    elif what == "sign out":
        seat.note("desktops signed out", f"user {one.user_id}", f"{Token.objects.filter(membership=one).delete()[0]} tokens")
    elif what == "invite":
        if one.user.has_usable_password() or one.user.is_superuser:
            raise UsageError("this person has a password already; expected a reset by e-mail, or a link from who runs the server")
        seat.note("invited again", f"user {one.user_id}")
        email_link(request, one.user, invite(one.user), seat.programme)
    return redirect("members", programme)


@require_http_methods(["GET", "HEAD"])
def people(request: HttpRequest, programme: str) -> HttpResponse:
    """List the learners, with the way to hand out and to erase what is kept about them."""
    found = see(request).learners().select_related("membership__user").order_by("erased", "name", "pseudonym")
    return render(request, "portal/people.html", {"learners": page_of(request, found)})


@require_http_methods(["GET", "HEAD", "POST"])
@told("people")
def erase(request: HttpRequest, programme: str, pseudonym: str) -> HttpResponse:
    """Erase a learner after the pseudonym was typed; the records stay under it and point at nobody."""
    seat = see(request)
    who = get_object_or_404(seat.learners(), pseudonym=pseudonym, erased=None)
    if request.method != "POST":
        return render(request, "portal/erase.html", {"learner": who})
    if request.POST.get("pseudonym", "").strip() != who.pseudonym:
        raise UsageError("the pseudonym that was typed is another one; nothing was erased")
    with transaction.atomic():
        erase_learner(who)
        seat.note("erased", f"learner {who.pseudonym}")
    messages.success(request, f"{who.pseudonym} is erased. Backups that are older still hold name and address (docs/PORTAL.md).")
    return redirect("people", programme)


@require_http_methods(["GET", "HEAD", "POST"])
@told("settings")
def settings_page(request: HttpRequest, programme: str) -> HttpResponse:
    """Set the keys to believe, and have everything verified again."""
    seat = see(request)
    if request.method == "POST":
        words = request.POST.get("trusted", "").lower().split()
        wrong = next((w for w in words if not is_hex(w, 16)), None)
        if wrong is not None or len(words) > 1000:
            raise UsageError(f"'{(wrong or 'too many')[:40]}': expected fingerprints of 32 hexadecimal digits, one per line")
        with transaction.atomic():
            type(seat.programme).objects.filter(pk=seat.programme.pk).update(trusted=words)
            count = again(seat.programme)
            seat.note("trusted keys set", detail=f"{len(words)} keys; {count} attempts are verified again")
        messages.success(request, f"{len(words)} keys are trusted; {count} attempts are being verified again.")
        return redirect("settings", programme)
    return render(request, "portal/settings.html", {"programme": seat.programme})


@require_http_methods(["GET", "HEAD"])
def audit_log(request: HttpRequest, programme: str) -> HttpResponse:
    """Show the audit log of the programme, newest first, and whether the whole chain holds."""
    seat = see(request)
    entries = AuditEntry.objects.filter(programme=seat.programme.slug).order_by("-number")
    return render(request, "portal/audit.html", {"entries": page_of(request, entries), "broken": audit.broken()})
