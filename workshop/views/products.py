"""The suppliers' catalogue: `/api/workshop/products` and `/api/workshop/price-proposals`."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from cars.pagination import GroupPagination
from common import clock
from common.conditional import etag_of
from common.examples import sent, shown
from common.fastlist import FastListMixin
from common.fastread import FastRetrieveMixin
from common.permissions import HasPerm, Public
from common.views import ApiViewSet, CreateMixin, DestroyMixin, ListMixin, UpdateMixin, command, reading
from workshop.filters.products import PriceProposalFilter, ProductFilter
from workshop.models import PriceProposal, Product
from workshop.models.products import ProductQuerySet
from workshop.serializers.inventory import PartSerializer
from workshop.serializers.products import (
    AdoptProductSerializer,
    PriceProposalSerializer,
    ProductCategorySerializer,
    ProductSerializer,
    UnlockProductSerializer,
)
from workshop.services import products
from workshop.views.inventory import ROW_VALUE as PART

PADS = {
    "name": "Brake pads front, 155 x 66 mm",
    "description": "Set for one axle, four pads, ECE R90 approved.",
    "price": "54.90",
    "category": "Brake pads",
    "brand": "Brembo",
    "sku": "PAD-BREM-01",
    "height": "66.00",
    "length": "155.00",
    "depth": "20.00",
    "supplier_stock": 20,
}
PADS_ROW = {
    "id": 36,
    **PADS,
    "supplier_stock_at": "2026-11-25T06:00:00Z",
    "provider": "file",
    "external_id": "fc-0036",
    "locked_fields": [],
    "withdrawn_at": None,
    "created_at": "2026-11-01T06:00:00Z",
    "updated_at": "2026-11-25T06:00:00Z",
}
BODY = sent("a product", PADS)
ROW = shown("a product", PADS_ROW)
LOCKED = shown("with an edited price", PADS_ROW | {"price": "49.90", "locked_fields": ["price"]})
ADOPTED = shown(
    "the part",
    PART
    | {
        "name": PADS["name"],
        "sku": PADS["sku"],
        "description": PADS["description"],
        "price": "89.00",
        "cost": PADS["price"],
        "supplier_sku": PADS["sku"],
        "product": 36,
    },
)
PENDING = {
    "id": 5,
    "product": 36,
    "product_name": PADS["name"],
    "old_price": "54.90",
    "new_price": "5.49",
    "status": "pending",
    "run_id": 812,
    "created_at": "2026-11-25T06:00:00Z",
    "decided_at": None,
    "decided_by": None,
}
DECIDED = PENDING | {"decided_at": "2026-11-25T08:15:00Z", "decided_by": 7}
CHANGE = HasPerm.of("workshop.change_product")
DECIDE = HasPerm.of("workshop.decide_priceproposal")


@extend_schema_view(
    list=extend_schema(
        summary="List products",
        description="Public. What the supplier no longer lists is hidden unless asked for. `min_price` above "
        "`max_price` is 400.",
        examples=[ROW],
    ),
    retrieve=extend_schema(
        summary="Read a product", description="Public; also one that the supplier no longer lists.", examples=[ROW]
    ),
    create=extend_schema(
        summary="Add a product", description="It is `manual`: no sync touches it.", examples=[BODY, ROW]
    ),
    update=extend_schema(
        summary="Replace a product",
        description="Optional members that are left out stay. Fields of a synced product that change are locked "
        "against the sync. A new price becomes the cost of the product's part.",
        examples=[BODY, ROW],
    ),
    partial_update=extend_schema(
        summary="Change a product",
        description="As PUT, of the members that are given.",
        examples=[sent("the price", {"price": "49.90"}), LOCKED],
    ),
    destroy=extend_schema(
        summary="Delete a product", description="A synced one does not come back. Its part stays, with the cost it has."
    ),
)
class ProductViewSet(FastListMixin, FastRetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin, ApiViewSet):
    """What suppliers offer; everybody may look."""

    queryset = Product.objects.all()
    serializer_class = ProductSerializer
    filterset_class = ProductFilter
    replica_reads = frozenset({"list", "retrieve"})
    permission_classes = [Public]
    action_permissions = {
        "create": [HasPerm.of("workshop.add_product")],
        "update": [CHANGE],
        "unlock": [CHANGE],
        "destroy": [HasPerm.of("workshop.delete_product")],
        "adopt": [HasPerm.of("workshop.adopt_product")],
    }

    def get_queryset(self) -> ProductQuerySet:
        """A withdrawn product is still readable, but the list hides it."""
        hidden = self.action == "list" and not ProductFilter.read(self.request.query_params).get("include_withdrawn")
        return Product.objects.current() if hidden else Product.objects.all()

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> Product:
        return products.create_product(actor=self.caller, data=data, now=clock.now())

    def perform_update(self, instance: Product, data: dict[str, Any]) -> Product:
        return products.update_product(product=instance, actor=self.caller, data=data, now=clock.now())

    def perform_destroy(self, instance: Product) -> None:
        products.delete_product(product=instance, actor=self.caller)

    @reading(
        detail=False,
        response=ProductCategorySerializer(many=True),
        pagination_class=GroupPagination,
        schema={
            "summary": "List categories",
            "description": "Public. Each with the number of its products; those without a category are not counted.",
            "examples": [shown("a category", {"category": "Brake pads", "count": 13})],
        },
    )
    def categories(self, request: Request) -> Response:
        return self.listing(Product.objects.current().categories(), ProductCategorySerializer)

    @command(
        detail=True,
        request=UnlockProductSerializer,
        response=ProductSerializer,
        summary="Unlock edited fields",
        description="Let the sync change them again, with its next run: `fields`, or all.",
        examples=[sent("the price", {"fields": ["price"]}), ROW],
    )
    @idempotent
    def unlock(self, request: Request, pk: int) -> Response:
        fields = self.validated(UnlockProductSerializer).get("fields")
        return self.answer(products.unlock_product(product=self.get_object(), fields=fields))

    @command(
        detail=True,
        request=AdoptProductSerializer,
        response=PartSerializer,
        status=201,
        summary="Make a part of a product",
        description="Or link it to `part`. The part gets the product's SKU as the supplier's and its price as the "
        "cost, and the cost follows it from then on; lines and invoices keep what they have. Its supplier is named "
        "like the provider, unless `supplier` says who it is. A new part takes name, SKU, description and price over "
        "from the product where the body names no other.\n\n"
        "409 `already_adopted` (`meta.existing_id`), `part_linked`, `sku_taken` (`meta.existing_id`) or "
        "`product_withdrawn`; 422 `sku_required` when neither has an SKU.",
        examples=[
            sent("a new part", {"price": "89.00"}),
            sent("a part that is there", {"part": 12}),
            ADOPTED,
        ],
    )
    @idempotent
    def adopt(self, request: Request, pk: int) -> Response:
        data = self.validated(AdoptProductSerializer)
        part = products.adopt_product(product=self.get_object(), data=data, now=clock.now())
        shown = self.represent(part, PartSerializer)
        headers = {"Location": reverse("part-detail", kwargs={"pk": part.pk}), "ETag": etag_of(shown)}
        return Response(shown, status=201, headers=headers)


@extend_schema_view(
    list=extend_schema(
        summary="List price proposals",
        description="Prices that a sync would have moved by more than half, up or down. The newest first.",
        examples=[shown("a price that waits", PENDING)],
    ),
)
class PriceProposalViewSet(ListMixin, ApiViewSet):
    """Prices that wait for a decision, and those that were decided."""

    queryset = PriceProposal.objects.select_related("product")
    serializer_class = PriceProposalSerializer
    filterset_class = PriceProposalFilter
    permission_classes = [HasPerm.of("workshop.view_priceproposal")]
    action_permissions = {"accept": [DECIDE], "reject": [DECIDE]}

    def get_queryset(self) -> QuerySet[PriceProposal]:
        return PriceProposal.objects.select_related("product")

    @command(
        detail=True,
        response=PriceProposalSerializer,
        summary="Accept a price",
        description="The product gets it, and its part the cost. 409 `proposal_decided` when somebody was first; a "
        "proposal whose price upstream has left is gone (404).",
        examples=[shown("accepted", DECIDED | {"status": "accepted"})],
    )
    @idempotent
    def accept(self, request: Request, pk: int) -> Response:
        return self.answer(products.accept_proposal(proposal=self.get_object(), actor=self.caller, now=clock.now()))

    @command(
        detail=True,
        response=PriceProposalSerializer,
        summary="Reject a price",
        description="The product keeps its own, and this change is not proposed again. 409 `proposal_decided` when "
        "somebody was first.",
        examples=[shown("rejected", DECIDED | {"status": "rejected"})],
    )
    @idempotent
    def reject(self, request: Request, pk: int) -> Response:
        return self.answer(products.reject_proposal(proposal=self.get_object(), actor=self.caller, now=clock.now()))
