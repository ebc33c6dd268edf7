"""The doors: first page, invitations, programmes of the server, a desktop that asks to sign in."""

from __future__ import annotations

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.password_validation import validate_password
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from scoring.portal import audit
from scoring.portal.models import DeviceCode, Membership, Programme
from scoring.portal.people import invitation_of
from scoring.portal.policy import POLICY
from scoring.portal.views.tools import email_link, see

LANDING = ("board", "review", "members")


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show the programmes of who is signed in; with one alone, go there."""
    if not request.user.is_authenticated:
        return redirect("account_login")
    own = list(Membership.objects.filter(user=request.user).select_related("programme").order_by("programme__name"))
    if len(own) == 1 and not request.user.is_superuser:
        return redirect("programme", own[0].programme.slug)
    return render(request, "portal/home.html", {"own": own})


@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that server and database answer."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def programme(request: HttpRequest, programme: str) -> HttpResponse:
    """Go to the first page of the role."""
    seat = see(request)
    if seat.role == "fellow":
        return redirect("learner", programme, seat.membership.learner.pseudonym)
    return redirect(next(name for name in LANDING if seat.role in POLICY[name].roles), programme)


class NewPassword(forms.Form):
    """A password, twice."""

    password = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), min_length=12)
    again = forms.CharField(widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}), label="The same again")

    def clean(self) -> None:
        """Check that both are the same and good enough."""
        one = self.cleaned_data.get("password", "")
        if one != self.cleaned_data.get("again", ""):
            raise ValidationError("The two passwords differ.")
        validate_password(one)


@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, secret: str) -> HttpResponse:
    """Let somebody with an invitation set a password; the link works once, and only by POST (mail scanners fetch links)."""
    invitation = invitation_of(secret)
    if invitation is None:
        return render(request, "portal/refused.html", {"why": "This link was used, has expired, or never was one."}, status=410)
    form = NewPassword(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "portal/enter.html", {"form": form, "email": invitation.user.email})
    user = invitation.user
    with transaction.atomic():
        taken = type(invitation).objects.filter(pk=invitation.pk, used=None).update(used=timezone.now())
        if not taken:
            return render(request, "portal/refused.html", {"why": "This link was used."}, status=410)
        user.set_password(form.cleaned_data["password"])
        user.save(update_fields=["password"])
        audit.note("entered", f"user {user.pk}", detail="invitation used, password set")
    login(request, user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return redirect("home")


class NewProgramme(forms.Form):
    """A programme and its first admin."""

    name = forms.CharField(max_length=200)
    slug = forms.SlugField(max_length=40, label="Short name in addresses")
    email = forms.EmailField(label="E-mail of its first admin")


@require_http_methods(["GET", "HEAD", "POST"])
def programmes(request: HttpRequest) -> HttpResponse:
    """List the programmes of the server and make one. Who runs the server sees none of their content by that."""
    form = NewProgramme(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _make_programme(request, form)
        except IntegrityError:
            form.add_error("slug", "There is a programme of this name already.")
    return render(request, "portal/programmes.html", {"form": form, "programmes": Programme.objects.order_by("name")})


def _make_programme(request: HttpRequest, form: NewProgramme) -> HttpResponse:
    from scoring.portal.people import join

    with transaction.atomic():
        made = Programme.objects.create(name=form.cleaned_data["name"], slug=form.cleaned_data["slug"])
        member, secret = join(made, form.cleaned_data["email"].lower(), "admin")
        audit.note("programme made", f"user {request.user.pk}", made.slug, f"first admin: user {member.user_id}", made)
    email_link(request, member.user, secret, made)
    return redirect("programmes")


@require_http_methods(["GET", "HEAD", "POST"])
def device(request: HttpRequest) -> HttpResponse:
    """Approve a desktop: its person types the code that it shows, and says for which programme."""
    fellows = Membership.objects.filter(user=request.user, role="fellow").select_related("programme")
    if request.method != "POST":
        return render(request, "portal/device.html", {"fellows": fellows, "code": request.GET.get("code", "")[:9]})
    return _approve(request, fellows)


def _approve(request: HttpRequest, fellows: object) -> HttpResponseRedirect:
    tried = f"device-tries-{request.user.pk}"
    if cache.get_or_set(tried, 0, 900) >= 10:
        messages.error(request, "Too many codes were tried. Wait a quarter of an hour.")
        return redirect("device")
    code = "".join(c for c in request.POST.get("code", "").upper() if c.isalnum())[:8]
    waiting = DeviceCode.objects.filter(user_code=f"{code[:4]}-{code[4:]}", expires__gt=timezone.now(), membership=None).first()
    member = fellows.filter(programme__slug=request.POST.get("programme", "")).first()  # type: ignore[attr-defined]
    if waiting is None or member is None:
        cache.set(tried, cache.get(tried, 0) + 1, 900)
        messages.error(request, "No desktop shows this code now (codes hold for 15 minutes), or you are no fellow there.")
        return redirect("device")
    waiting.membership = member
    waiting.save(update_fields=["membership"])
    audit.note("desktop approved", f"user {member.user_id} (fellow)", programme=member.programme)
    messages.success(request, "The desktop is signed in. You can close this page.")
    return redirect("device")
