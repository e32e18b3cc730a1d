"""The catalogue: writes by people, prices that wait for a decision, and products that became parts. The sync writes by
itself, in bulk (`cars.sync`), and calls `review_prices` before and `carry_prices` after a page.

A product's lock stands for its price proposals and for which part it is linked to; parts are locked after it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import F, OuterRef, Q, Subquery

from accounts.models import User
from cars.models import SyncSuppression
from cars.services.cars import NameTooLong
from common.errors import Conflict, NotFound, Unprocessable
from common.text import natural_key
from workshop import caches
from workshop.models import Part, PriceProposal, Product, Supplier
from workshop.models.products import KEY_LENGTH
from workshop.services.inventory import create_part, update_part
from workshop.services.stock import lock_parts

SYNC_SOURCE = "products"  # The name of the catalogue's row in SyncSource.
EDITABLE = (
    "name", "description", "price", "category", "brand", "sku", "height", "length", "depth", "supplier_stock",
)  # fmt: skip

Status = PriceProposal.Status


class ProposalDecided(Conflict):
    """Somebody decided before; `meta.status` says how."""

    code = "proposal_decided"
    detail = "This price proposal has been decided."


class ProductAdopted(Conflict):
    """The product has a part; `meta.existing_id` says which."""

    code = "already_adopted"
    detail = "This product has a part already."


class PartLinked(Conflict):
    """The part stems from another product; `meta.product` says which."""

    code = "part_linked"
    detail = "This part belongs to another product."


class ProductWithdrawn(Conflict):
    """The supplier does not list it any more."""

    code = "product_withdrawn"
    detail = "The supplier no longer lists this product."


class SkuNeeded(Unprocessable):
    """The product has no SKU of its own that the part could take over."""

    code = "sku_required"
    detail = "The product has no SKU: give one."


@transaction.atomic
def create_product(*, actor: User | None, data: Mapping[str, Any], now: datetime) -> Product:
    """Add a manual product. `data` holds name and price, and any other of EDITABLE. Raises NameTooLong."""
    product = Product(**data, created_by=actor)
    if product.supplier_stock is not None:
        product.supplier_stock_at = now
    _check_keys(product)
    product.save()
    return product


@transaction.atomic
def update_product(*, product: Product, actor: User | None, data: Mapping[str, Any], now: datetime) -> Product:
    """Change the named fields. Those of a synced product that really change are locked against the sync; a call that
    changes nothing writes nothing. A new price reaches the part's cost, and answers a proposal that waits.

    Raises NameTooLong, and NotFound when the product was deleted meanwhile.
    """
    product = _lock(product.pk)
    changed = {name: value for name, value in data.items() if getattr(product, name) != value}
    if not changed:
        return product
    for name, value in changed.items():
        setattr(product, name, value)
    _check_keys(product)
    if product.provider != Product.MANUAL:
        product.locked_fields = sorted({*product.locked_fields, *changed})
    if "supplier_stock" in changed:
        product.supplier_stock_at = None if product.supplier_stock is None else now
    product.save()
    if "price" in changed:
        waiting = PriceProposal.objects.filter(product=product, status=Status.PENDING)
        waiting.update(status=Status.REJECTED, decided_at=now, decided_by=actor)
        carry_prices(product_ids=[product.pk], now=now)
    return product


@transaction.atomic
def unlock_product(*, product: Product, fields: Collection[str] | None = None) -> Product:
    """Let the sync write `fields` again (None: all), with its next run. A field that is not locked is passed over.
    Raises NotFound when the product was deleted meanwhile."""
    product = _lock(product.pk)
    kept = [] if fields is None else [name for name in product.locked_fields if name not in fields]
    if kept != product.locked_fields:
        product.locked_fields = kept
        product.save(update_fields=["locked_fields", "updated_at"])
    return product


@transaction.atomic
def delete_product(*, product: Product, actor: User | None) -> None:
    """Delete a product; its part stays, with the cost it has. A synced one is suppressed, so that it does not come
    back. Deleting one that is gone is no error."""
    found = Product.objects.select_for_update(no_key=True).filter(pk=product.pk).first()
    if found is None:
        return
    if found.external_id is not None:
        SyncSuppression.objects.get_or_create(
            source=SYNC_SOURCE,
            provider=found.provider,
            external_id=found.external_id,
            defaults={"created_by": actor},
        )
    if Part.objects.filter(product=found).exists():
        caches.inventory.bump_on_commit()
    found.delete()


def _lock(product_id: int) -> Product:
    found = Product.objects.select_for_update(no_key=True).filter(pk=product_id).first()
    if found is None:
        raise NotFound
    return found


def _check_keys(product: Product) -> None:
    product.set_keys()
    # NFKC and case folding lengthen some letters up to 18 times; the keys must fit an index entry.
    for name, key in (("category", product.category_key), ("brand", product.brand_key)):
        if len(key) > KEY_LENGTH:
            raise NameTooLong(f"Written out, this is longer than {KEY_LENGTH} characters.", attr=name)


def is_jump(old: Decimal, new: Decimal) -> bool:
    """Whether a price moves by more than half of what it was, up or down."""
    return abs(new - old) * 2 > old


@dataclass(slots=True)
class _Review:
    """What a page of records means for the products it has: columns to hold by external id, products of which others
    are written while the price is held, proposals that upstream has overtaken, and new ones."""

    held: dict[str, set[str]] = field(default_factory=dict)
    written: set[int] = field(default_factory=set)
    overtaken: list[PriceProposal] = field(default_factory=list)
    proposals: list[PriceProposal] = field(default_factory=list)

    @property
    def concerned(self) -> set[int]:
        """The products to lock: a decision about the price must not come between here and the page's statement."""
        return self.written | {proposal.product_id for proposal in (*self.overtaken, *self.proposals)}


def review_prices(
    rows: Sequence[Mapping[str, Any]], *, provider: str, run_id: int, now: datetime
) -> Mapping[str, set[str]]:
    """The columns of products that must stay as they are: prices that would jump, and the time of a stock figure that
    is no news. In the page's transaction.

    A jump is proposed instead. What was rejected is not proposed again, as long as it would lead from the same price to
    the same; a proposal whose price upstream has left is deleted, so its id never stands for another price. A page
    that brings no new question locks and writes nothing.
    """
    offers = {row["external_id"]: row for row in rows}
    products = list(Product.objects.filter(provider=provider, external_id__in=offers))
    review = _review(products, offers)
    if review.concerned:
        locked = _locked(review.concerned)
        deleted = review.concerned - locked.keys()
        products = [locked.get(product.pk, product) for product in products if product.pk not in deleted]
        review = _review(products, offers)
        stale = [proposal.pk for proposal in review.overtaken]
        PriceProposal.objects.filter(pk__in=stale, status=Status.PENDING).delete()
        for proposal in review.proposals:
            proposal.run_id, proposal.created_at = run_id, now
        PriceProposal.objects.bulk_create(review.proposals)
    return review.held


def _locked(product_ids: Iterable[int]) -> dict[int, Product]:
    found = Product.objects.select_for_update(no_key=True).filter(pk__in=product_ids).order_by("pk")
    return {product.pk: product for product in found}


def _review(products: Sequence[Product], offers: Mapping[str | None, Mapping[str, Any]]) -> _Review:
    """Two queries at most."""
    review = _Review()
    jumps: dict[int, tuple[Decimal, Decimal]] = {}
    for product in products:
        offer = offers[product.external_id]
        held = review.held.setdefault(offer["external_id"], set())
        if product.supplier_stock == offer["supplier_stock"]:
            held.add("supplier_stock")
        if "price" not in product.locked_fields and is_jump(product.price, offer["price"]):
            held.add("price")
            jumps[product.pk] = (product.price, offer["price"])
            if any(getattr(product, name) != offer[name] for name in EDITABLE if name != "price"):
                review.written.add(product.pk)
    asked = set()
    mine = Q(status=Status.PENDING, product__in=products) | Q(status=Status.REJECTED, product__in=list(jumps))
    for proposal in PriceProposal.objects.filter(mine):
        question = (proposal.old_price, proposal.new_price)
        if jumps.get(proposal.product_id) == question:
            asked.add(proposal.product_id)
        elif proposal.status == Status.PENDING:
            review.overtaken.append(proposal)
    review.proposals = [
        PriceProposal(product_id=pk, old_price=old, new_price=new)
        for pk, (old, new) in jumps.items()
        if pk not in asked
    ]
    return review


@transaction.atomic
def accept_proposal(*, proposal: PriceProposal, actor: User, now: datetime) -> PriceProposal:
    """Give the product the proposed price, and its part the cost. Raises ProposalDecided, and NotFound for a proposal
    that upstream has overtaken."""
    product, proposal = _lock_proposal(proposal)
    product.price = proposal.new_price
    product.save(update_fields=["price", "updated_at"])
    carry_prices(product_ids=[product.pk], now=now)
    return _decide(proposal, Status.ACCEPTED, actor=actor, now=now)


@transaction.atomic
def reject_proposal(*, proposal: PriceProposal, actor: User, now: datetime) -> PriceProposal:
    """Leave the product its price. The same change is not proposed again. Raises as `accept_proposal`."""
    _, proposal = _lock_proposal(proposal)
    return _decide(proposal, Status.REJECTED, actor=actor, now=now)


def _lock_proposal(proposal: PriceProposal) -> tuple[Product, PriceProposal]:
    product = _lock(proposal.product_id)
    found = PriceProposal.objects.select_for_update(no_key=True).filter(pk=proposal.pk).first()
    if found is None:
        raise NotFound
    if found.status != Status.PENDING:
        raise ProposalDecided(meta={"status": found.status})
    return product, found


def _decide(proposal: PriceProposal, status: str, *, actor: User, now: datetime) -> PriceProposal:
    proposal.status, proposal.decided_by, proposal.decided_at = status, actor, now
    proposal.save(update_fields=["status", "decided_by", "decided_at"])
    return proposal


def carry_prices(*, product_ids: Sequence[int], now: datetime) -> None:
    """Bring the cost of parts in line with the price of their products, whose locks the caller's transaction has. Lines
    and invoices keep theirs."""
    stale = Part.objects.filter(product__in=product_ids).exclude(cost=F("product__price")).values_list("pk", flat=True)
    parts = lock_parts(part_ids=list(stale))
    if parts:
        price = Product.objects.filter(pk=OuterRef("product_id")).values("price")
        Part.objects.filter(pk__in=parts).update(cost=Subquery(price), updated_at=now)
        caches.inventory.bump_on_commit()


@transaction.atomic
def adopt_product(*, product: Product, data: Mapping[str, Any], now: datetime) -> Part:
    """Make a part of a product, or link it to the part that `data["part"]` is. From then on its price is the part's
    cost. The other members of `data` are fields of the part; a new part takes what is not named over from the product,
    a linked one keeps its own. Its supplier is named like the product's provider, unless `data` names one.

    Raises ProductWithdrawn, ProductAdopted, PartLinked, SkuNeeded, SkuTaken, SkuTooLong, NotFound.
    """
    product = _lock(product.pk)
    if product.withdrawn_at is not None:
        raise ProductWithdrawn
    adopted = Part.objects.filter(product=product).first()
    if adopted is not None:
        raise ProductAdopted(meta={"existing_id": adopted.pk})
    given = {name: value for name, value in data.items() if name != "part"}
    terms = _terms_of(product, named="supplier" in given) | given
    if "part" in data:
        return _link(data["part"], terms, now=now)
    fresh = {name: getattr(product, name) for name in ("name", "sku", "description", "price")} | terms
    if not fresh["sku"]:
        raise SkuNeeded(attr="sku")
    return create_part(data=fresh, now=now)


def _terms_of(product: Product, *, named: bool) -> dict[str, Any]:
    """What the part has from its product: link, cost, and where it is ordered under which number."""
    terms: dict[str, Any] = {"product": product, "cost": product.price, "supplier_sku": product.sku}
    if named or product.provider == Product.MANUAL:
        return terms
    name = product.provider
    supplier, _ = Supplier.objects.get_or_create(name_key=natural_key(name), defaults={"name": name})
    return terms | {"supplier": supplier}


def _link(part: Part, terms: Mapping[str, Any], *, now: datetime) -> Part:
    locked = lock_parts(part_ids=[part.pk]).get(part.pk)
    if locked is None:
        raise NotFound
    if locked.product_id is not None:
        raise PartLinked(meta={"product": locked.product_id})
    return update_part(part=locked, data=terms, now=now)
