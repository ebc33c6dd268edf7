"""Standards: the list with its versions, and the guided page on which a committee makes one, step by step."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from scoring.keys import fingerprint
from scoring.portal.guard import Seat
from scoring.portal.making import METHODS, Shown, read_ratings, shown
from scoring.portal.models import Cohort, StandardDraft
from scoring.portal.models import Standard as Adopted
from scoring.portal.rows import now, parse_standard
from scoring.portal.strip import strip
from scoring.portal.views.committee import signing_key
from scoring.portal.views.tools import see, told
from scoring.reports.facts import SCALES
from scoring.standard import Standard, sign_standard
from sim.errors import ScottieError, UsageError

ATTEST = "We have seen the cut, its interval and what follows from it, and we put it in force."


def _versions(seat: Seat) -> list[dict[str, Any]]:
    """Return the standards, newest first, each with its number among those of its procedure and whether it counts now."""
    out: list[dict[str, Any]] = []
    count: dict[str, int] = {}
    for one in reversed(seat.standards()):
        count[one.procedure] = count.get(one.procedure, 0) + 1
        out.append({"one": one, "s": parse_standard(bytes(one.document)), "version": count[one.procedure]})
    for entry in out:
        standard, last = entry["s"], entry["version"] == count[entry["one"].procedure]
        entry["state"] = _state(standard, last)
    return out[::-1]


def _state(standard: Standard, newest: bool) -> str:
    if not newest:
        return "replaced"
    if not standard.decided <= now() < standard.expires:
        return "expired" if standard.expires <= now() else "not yet in force"
    return "provisional: judges nobody" if standard.provisional else "in force"


@require_http_methods(["GET", "HEAD", "POST"])
@told("standards")
def standards(request: HttpRequest, programme: str) -> HttpResponse:
    """List the standards with every version; put a signed file (main.py standard set) in force."""
    seat = see(request)
    if request.method == "POST":
        file = request.FILES.get("standard")
        if file is None:
            raise UsageError("no file was chosen; expected a signed standard (main.py standard set)")
        data = file.read(1024 * 1024)
        found = parse_standard(data)
        if seat.programme.trusted and found.signer not in seat.programme.trusted:
            raise UsageError(f"signed by {found.signer}; expected a key that this programme trusts (Settings)")
        _adopt(seat, data, found.procedure, "from a file")
        return redirect("standards", programme)
    drafts = StandardDraft.objects.filter(programme=seat.programme).order_by("-pk")
    return render(request, "portal/standards.html", {"standards": _versions(seat), "drafts": drafts})


def _adopt(seat: Seat, data: bytes, procedure: str, how: str) -> Adopted:
    digest = hashlib.sha256(data).hexdigest()
    with transaction.atomic():
        made = Adopted.objects.create(programme=seat.programme, procedure=procedure, sha256=digest, document=data)
        seat.note("standard adopted", procedure, f"{how}, sha256 {digest}")
    return made


@require_safe
def standard(request: HttpRequest, programme: str, standard: int) -> HttpResponse:
    """Show one version with everything in it; ?file gives the signed file."""
    seat = see(request)
    one = get_object_or_404(seat.standards(), pk=standard)
    if "file" in request.GET:
        name = f'attachment; filename="standard-{one.pk}.json"'
        return HttpResponse(bytes(one.document), content_type="application/json", headers={"Content-Disposition": name})
    entry = next(e for e in _versions(seat) if e["one"].pk == one.pk)
    return render(request, "portal/standard.html", entry)


class Terms(forms.Form):
    """The first step: what the standard is about."""

    method = forms.ChoiceField(choices=METHODS, widget=forms.RadioSelect)
    procedure = forms.CharField(
        max_length=200, help_text="as the attempts name it (the rubric's id); those known here are offered"
    )
    scale = forms.ChoiceField(choices=list(SCALES.items()), label="Score")
    items = forms.IntegerField(
        min_value=1, max_value=1000, initial=6, label="First attempts per person", help_text="the cut is on their mean"
    )
    critical_allowed = forms.IntegerField(min_value=0, max_value=100, initial=0, label="Critical errors allowed in them")
    months = forms.IntegerField(min_value=1, max_value=60, initial=24, label="Months it stands")

    def __init__(self, known: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known
        self.fields["procedure"].widget.attrs["list"] = "known"

    def clean_procedure(self) -> str:
        """Return a name of one line."""
        name = " ".join(self.cleaned_data["procedure"].split())
        if not name.isprintable():
            raise forms.ValidationError("Expected printable characters.")
        return name


def _known(seat: Seat) -> list[str]:
    rows = seat.attempts().filter(status="verified").values_list("row__procedure", flat=True).distinct()
    return sorted({name for name in [*rows, *seat.standards().values_list("procedure", flat=True)] if name})


@require_http_methods(["GET", "HEAD", "POST"])
def standard_new(request: HttpRequest, programme: str) -> HttpResponse:
    """Take the terms of a new standard: step 1."""
    seat = see(request)
    form = Terms(_known(seat), request.POST or None)
    if request.method == "POST" and form.is_valid():
        terms = dict(form.cleaned_data)
        made = StandardDraft.objects.create(
            programme=seat.programme, author=request.user, method=terms.pop("method"), terms=terms, data={}
        )
        seat.note("standard begun", terms["procedure"], f"draft {made.pk}, {made.method}")
        return redirect("standard_draft", programme, made.pk)
    return render(request, "portal/standard_new.html", {"form": form, "step": 1})


class Groups(forms.Form):
    """Contrasting groups: cohorts of the programme."""

    novices = forms.ModelMultipleChoiceField(Cohort.objects.none(), help_text="cohorts of people who begin")
    experts = forms.ModelMultipleChoiceField(Cohort.objects.none(), help_text="cohorts of people who do this procedure well")

    def __init__(self, seat: Seat, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in self.fields:
            self.fields[name].queryset = seat.cohorts().order_by("name")

    def clean(self) -> dict[str, Any]:
        """Check that no cohort is in both groups."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if set(data.get("novices", ())) & set(data.get("experts", ())):
            raise forms.ValidationError("A cohort cannot be novices and experts at once.")
        return data

    def kept(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what the draft keeps."""
        return {name: [one.pk for one in self.cleaned_data[name]] for name in ("novices", "experts")}


class Ratings(forms.Form):
    """Angoff: one round of ratings."""

    ratings = forms.CharField(
        required=False,
        max_length=200_000,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
        label="Ratings of this round",
        help_text="CSV with the columns judge,item,rating; a rating is a chance from 0 to 1; every judge rates every item",
    )
    file = forms.FileField(required=False, label="Or as a file")

    def __init__(self, seat: Seat, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        """Read the table."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        file = data.get("file")
        try:
            text = file.read(2**20).decode("utf-8-sig") if file else data.get("ratings", "")
            self.table = read_ratings(text)
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is no text in UTF-8.") from None
        except ScottieError as error:
            raise forms.ValidationError(str(error)[:300]) from None
        return data

    def kept(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what the draft keeps: the rounds so far and this one."""
        return {"rounds": [*data.get("rounds", []), self.table][-6:]}


class Limits(forms.Form):
    """Hofstee: whose scores, and the limits that the panel accepts."""

    learners = forms.ModelMultipleChoiceField(Cohort.objects.none(), help_text="cohorts whose scores make the curve of failures")
    kmin = forms.FloatField(label="Lowest acceptable cut", initial=50)
    kmax = forms.FloatField(label="Highest acceptable cut", initial=80)
    fmin = forms.FloatField(label="Fewest failing, percent", min_value=0, max_value=100, initial=5)
    fmax = forms.FloatField(label="Most failing, percent", min_value=0, max_value=100, initial=30)

    def __init__(self, seat: Seat, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["learners"].queryset = seat.cohorts().order_by("name")

    def clean(self) -> dict[str, Any]:
        """Check the order of the limits."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if {"kmin", "kmax", "fmin", "fmax"} <= data.keys() and not (data["kmin"] < data["kmax"] and data["fmin"] < data["fmax"]):
            raise forms.ValidationError("Expected the lowest cut below the highest, and the fewest failing below the most.")
        return data

    def kept(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return what the draft keeps."""
        found = self.cleaned_data
        return {
            "learners": [one.pk for one in found["learners"]],
            "limits": [found[name] for name in ("kmin", "kmax", "fmin", "fmax")],
        }


FORMS: dict[str, Any] = {"contrasting-groups": Groups, "angoff": Ratings, "hofstee": Limits}


class Sign(forms.Form):
    """The last step. seen: digest of the numbers that were on the page."""

    who = forms.CharField(max_length=200, label="Set by", help_text="the committee, in words: names of its members")
    attest = forms.BooleanField(label=ATTEST)
    seen = forms.CharField(widget=forms.HiddenInput)


def _draft(request: HttpRequest, draft: int) -> tuple[Seat, StandardDraft]:
    seat = see(request)
    return seat, get_object_or_404(StandardDraft, programme=seat.programme, pk=draft)


@require_http_methods(["GET", "HEAD", "POST"])
def standard_draft(request: HttpRequest, programme: str, draft: int) -> HttpResponse:
    """Take the data of a draft (step 2) and show what would follow (step 3); nothing counts before it is signed (step 4)."""
    seat, one = _draft(request, draft)
    if request.method == "POST" and request.POST.get("do") in ("discard", "clear"):
        if request.POST["do"] == "discard":
            seat.note("standard discarded", one.terms["procedure"], f"draft {one.pk}")
            one.delete()
            return redirect("standards", programme)
        StandardDraft.objects.filter(pk=one.pk).update(data={})
        return redirect("standard_draft", programme, draft)
    form = FORMS[one.method](seat, request.POST or None, request.FILES or None, initial=_initial(one))
    if request.method == "POST" and form.is_valid():
        one.data = form.kept(one.data)
        one.save(update_fields=["data"])
        return redirect("standard_draft", programme, draft)
    return _page(request, one, form, None)


def _initial(one: StandardDraft) -> dict[str, Any]:
    data = one.data
    limits = dict(zip(("kmin", "kmax", "fmin", "fmax"), data.get("limits", ()), strict=False))
    return {name: data[name] for name in ("novices", "experts", "learners") if name in data} | limits


def _page(request: HttpRequest, one: StandardDraft, form: Any, sign: Sign | None, status: int = 200) -> HttpResponse:
    found, trouble = _tried(one)
    context: dict[str, Any] = {"draft": one, "form": form, "shown": found, "trouble": trouble, "step": 3 if found else 2}
    context["method"] = dict(METHODS)[one.method]
    context["scale"] = SCALES[one.terms["scale"]]
    if found:
        context["sign"] = sign or Sign(initial={"seen": found.digest})
        context["chart"] = mark_safe(strip(found))
    return render(request, "portal/standard_draft.html", context, status=status)


def _tried(one: StandardDraft) -> tuple[Shown | None, str]:
    if not one.data:
        return None, ""
    try:
        return shown(one), ""
    except ScottieError as error:
        return None, str(error)


@require_POST
@told("standard_draft", "draft")
def standard_sign(request: HttpRequest, programme: str, draft: int) -> HttpResponse:
    """Sign a draft with the server's key and put it in force: step 4."""
    seat, one = _draft(request, draft)
    form = Sign(request.POST)
    if not form.is_valid():
        return _page(request, one, FORMS[one.method](seat, initial=_initial(one)), form, status=422)
    found = shown(one, " ".join(form.cleaned_data["who"].split()))
    if found.digest != form.cleaned_data["seen"]:
        raise UsageError("the attempts behind it changed since you saw the numbers; look at them again before you sign")
    made = replace(found.standard, detail={**found.standard.detail, "consequences": _told(found)})
    with transaction.atomic():
        kept = _adopt(seat, sign_standard(made, signing_key()), made.procedure, f"draft {one.pk}, {made.method}, attested")
        one.delete()
    messages.success(request, f"The standard is signed with the key {fingerprint(signing_key())}.")
    return redirect("standard", programme, kept.pk)


def _told(found: Shown) -> str:
    """Return the consequences as they were shown, for the signed file."""
    return "; ".join(f"{c.group}: {c.passing} of {c.people} pass" for c in found.consequences)
