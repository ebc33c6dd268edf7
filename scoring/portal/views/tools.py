"""What views share: the seat, links by e-mail, errors of people as a line on the page, pages of a list."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.mail import send_mail
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from scoring.portal.guard import Seat, document
from scoring.portal.models import Programme, User
from scoring.reports.blocks import Document
from scoring.reports.html import html_text
from scoring.reports.pdf import pdf_bytes
from sim.errors import ScottieError

PAGE = 50


def see(request: HttpRequest) -> Seat:
    """Return the seat that the guard gave this request."""
    seat: Seat = request.seat
    return seat


def told(back: str, *names: str) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Make an error that a person caused a message on the page `back` (its address taken from the arguments `names`)."""

    def wrap(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def inner(request: HttpRequest, **kwargs: Any) -> HttpResponse:
            try:
                return view(request, **kwargs)
            except ScottieError as error:
                messages.error(request, str(error)[:500])
                return redirect(reverse(back, kwargs={name: kwargs[name] for name in ("programme", *names)}))

        return inner

    return wrap


def email_link(request: HttpRequest, user: User, secret: str, programme: Programme) -> None:
    """Send an invitation, and show its link to who invited: without an e-mail server that is the only way."""
    if not secret:
        send_mail(
            f"Scottie portal: {programme.name}",
            f"You now have a role in {programme.name}: {settings.ADDRESS}/\n",
            None,
            [user.email],
        )
        messages.success(request, f"{user.email} signs in here already and finds this programme on the first page.")
        return
    link = settings.ADDRESS + reverse("enter", args=[secret])
    text = f"You are invited to the Scottie portal of {programme.name}. This link works once, for 7 days:\n\n{link}\n"
    sent = send_mail(f"Scottie portal: {programme.name}", text, None, [user.email], fail_silently=True)
    how = (
        "An invitation was sent"
        if sent and settings.EMAIL_BACKEND.endswith("smtp.EmailBackend")
        else "No e-mail server is set up"
    )
    messages.success(request, f"{how}. The link for {user.email} works once, for 7 days: {link}")


def report(request: HttpRequest, made: Document, name: str) -> HttpResponse:
    """Return a document as a page of its own, with ?pdf as a PDF file."""
    if "pdf" not in request.GET:
        return document(html_text(made))
    told_as = f'attachment; filename="{name}.pdf"'
    return HttpResponse(pdf_bytes(made), content_type="application/pdf", headers={"Content-Disposition": told_as})


def page_of(request: HttpRequest, found: Any, size: int = PAGE, name: str = "page") -> Page[Any]:
    """Return the page of a list that the address asks for."""
    return Paginator(found, size).get_page(request.GET.get(name))
