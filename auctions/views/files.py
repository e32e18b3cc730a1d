"""Photos and papers of listings: `/api/vehicles/{id}/images` and `/documents`, and where their files are posted and
read when there is no bucket."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.generics import get_object_or_404
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.idempotency import idempotent
from auctions.models import Listing, ListingDocument, ListingImage
from auctions.serializers.files import (
    SIZES,
    ChangeImageSerializer,
    DocumentAddressSerializer,
    ImageOrderSerializer,
    ListingDocumentSerializer,
    ListingImageSerializer,
    NewDocumentSerializer,
    NewImageSerializer,
    UploadFormSerializer,
    UploadRequestSerializer,
)
from auctions.services import documents, files, images
from auctions.services.states import lock_listing
from common import clock
from common.conditional import is_current, tag_of
from common.errors import BadRequest, Forbidden, NotFound
from common.examples import sent, shown
from common.filters import ChoiceFilter, StrictFilterSet
from common.permissions import Public
from common.renderers import ContentNegotiation
from common.throttling import ScopedThrottle
from common.uploads import FileMissing, disposition_of, read_address, receive, store
from common.views import (
    ApiView,
    ApiViewSet,
    CreateMixin,
    DestroyMixin,
    ListMixin,
    RetrieveMixin,
    UpdateMixin,
    command,
    reading,
)

IMAGE_ID = "6f0c8a3e-6a55-4c0e-9d6f-3b1f6f1a2b3c"
KEY = f"listings/12/{IMAGE_ID}.jpg"
PLACE = f"https://cars.forecourt.test/api/vehicles/12/images/{IMAGE_ID}/file"
ASK = sent("a photo", {"filename": "front.jpg", "content_type": "image/jpeg", "size": 2_400_000})
FORM = shown(
    "a form",
    {
        "url": "https://cars.forecourt.test/api/uploads",
        "fields": {"key": KEY, "Content-Type": "image/jpeg", "policy": "eyJrZXkiOi...:1vNq"},
        "image_id": IMAGE_ID,
        "expires_at": "2025-03-01T09:35:00Z",
    },
)
NEW_IMAGE = sent("the first photo", {"key": KEY, "is_primary": True})
IMAGE = shown(
    "a photo",
    {
        "id": IMAGE_ID,
        "url": f"{PLACE}?size=original",
        "thumbnail_url": f"{PLACE}?size=thumb",
        "width": 4032,
        "height": 3024,
        "position": 1,
        "is_primary": True,
        "status": "ready",
    },
)
PRIMARY = sent("this one", {"is_primary": True})
ORDER = OpenApiExample("two photos", value={"order": [IMAGE_ID, "0b8a4b7e-3f0e-4f7e-8a52-0d2c6f1e9a77"]})
NEW_DOCUMENT = sent("a title", {"key": f"listings/12/{IMAGE_ID}.pdf", "kind": "title"})
DOCUMENT = shown(
    "a title",
    {
        "id": IMAGE_ID,
        "kind": "title",
        "filename": "title.pdf",
        "content_type": "application/pdf",
        "size": 182_044,
        "created_at": "2025-03-01T09:31:00Z",
    },
)
ADDRESS = shown(
    "an address", {"url": "https://cars.forecourt.test/api/files/eJyrVs...", "expires_at": "2025-03-01T09:36:00Z"}
)
_LOCKED = "Another status of the listing is 409 `files_locked`, with the possible ones in `meta.allowed`."
_CONFIRMS = (
    "422 `unknown_upload` for a key that is none of this listing; 409 `upload_missing` before a file has arrived, "
    "`upload_expired` fifteen minutes after it was asked for, `upload_used` the second time. "
)
_ERROR = {"$ref": "#/components/schemas/Error"}


class AnyAccept(ContentNegotiation):
    """For files: they are what they are, and errors are JSON, whatever the client says that it prefers."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


def own_listing(*, pk: int, user: Any) -> Listing:
    """The listing, for its seller. Raises 404 where it is not visible, and Forbidden."""
    found: Listing = get_object_or_404(Listing.objects.visible_to(user), pk=pk)
    if found.seller_id != user.pk:
        raise Forbidden
    return found


class FileActions:
    """Uploads of a listing."""

    @command(
        detail=True,
        request=UploadRequestSerializer,
        response=UploadFormSerializer,
        url_path="upload-url",
        operation_id="vehicles_upload_url_create",
        summary="Ask for a place for a file",
        description="Post `fields` unchanged and then the part `file` to `url` within five minutes, as "
        "multipart/form-data; then confirm `key` as a photo or a paper. The form takes one file of 1 byte to `size`, "
        "or to the largest there may be. Photos are JPEG, PNG or WebP, papers PDF too: 422 `type_not_allowed`, "
        "`file_too_large` (`meta.max_size`). At most 30 photos and 20 papers, those that are announced included: 409 "
        f"`too_many_images`, `too_many_documents`. {_LOCKED} Photos change in draft, changes_requested, active and "
        "in_auction; papers come until the sale is over.",
        examples=[ASK, FORM],
    )
    @idempotent
    def upload_url(self: Any, request: Request, pk: int) -> Response:
        listing = own_listing(pk=pk, user=self.caller)
        data = self.validated(UploadRequestSerializer)
        promise = files.promise_upload(listing_id=listing.pk, actor=self.caller, **data)
        shown = {**promise.form._asdict(), "image_id": promise.upload.pk, "expires_at": promise.expires_at}
        return Response(self.represent(shown, UploadFormSerializer))


class OfListing(ApiViewSet):
    """What belongs to the listing of the path."""

    filterset_class = None
    lookup_value_converter = "uuid"

    @property
    def listing_pk(self) -> int:
        return int(self.kwargs["vehicle_pk"])

    def own(self) -> Listing:
        return own_listing(pk=self.listing_pk, user=self.caller)

    def locked_if_matched(self) -> Any:
        """Only the seller writes; and with `If-Match`, which locks the row, the listing's lock comes first."""
        self.own()
        if "If-Match" in self.request.headers:
            lock_listing(self.listing_pk)
        return super().locked_if_matched()

    def location_of(self, instance: Any) -> dict[str, str]:
        kwargs = {"vehicle_pk": self.listing_pk, "pk": instance.pk}
        return {"Location": self.reverse_action("detail", kwargs=kwargs)}


class SizeFilter(StrictFilterSet):
    """Which size of a photo."""

    size = ChoiceFilter(choices=SIZES, description="At most 4096, 1024 or 320 pixels wide. Default: original.")


@extend_schema_view(
    list=extend_schema(
        summary="List a listing's photos",
        description="In their order, to whoever may see the listing. Its seller and staff see also those that are "
        "still being processed and those that were no good.",
        examples=[IMAGE],
    ),
    retrieve=extend_schema(summary="Read a photo", examples=[IMAGE]),
    create=extend_schema(
        summary="Confirm a photo",
        description=f"{_CONFIRMS}A file that is not what it was announced as is deleted: 422 `not_an_image`. What the "
        "camera wrote into it is removed and its sizes are made soon afterwards: `status` is processing, then ready or "
        f"failed. The first photo is the primary one, and any other with `is_primary`. {_LOCKED}",
        examples=[NEW_IMAGE, IMAGE],
    ),
    partial_update=extend_schema(
        summary="Make a photo the primary one",
        description=f"The one that was gives way. {_LOCKED}",
        examples=[PRIMARY, IMAGE],
    ),
    destroy=extend_schema(
        summary="Remove a photo",
        description=f"If it was the primary one, the next is. {_LOCKED}",
    ),
)
class ListingImageViewSet(OfListing, ListMixin, RetrieveMixin, CreateMixin, UpdateMixin, DestroyMixin):
    """Photos of a listing."""

    http_method_names = ["get", "post", "patch", "delete", "head", "options"]
    queryset = ListingImage.objects.all()
    serializer_class = ListingImageSerializer
    action_serializers = {"create": NewImageSerializer, "update": ChangeImageSerializer}
    action_permissions = {"list": [Public], "retrieve": [Public], "file": [Public]}
    throttle_scopes: ClassVar[dict[str, str]] = {"file": "photos"}

    def get_queryset(self) -> QuerySet[ListingImage]:
        listing = get_object_or_404(Listing.objects.visible_to(self.caller), pk=self.listing_pk)
        shown = ListingImage.objects.filter(listing=listing).order_by("position")
        if listing.seller_id == self.caller.pk or self.caller.has_perm("auctions.view_listingimage"):
            return shown
        return shown.filter(status=ListingImage.Status.READY)

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        self.own()
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> ListingImage:
        return images.confirm_image(listing_id=self.listing_pk, actor=self.caller, **data)

    def perform_update(self, instance: ListingImage, data: dict[str, Any]) -> ListingImage:
        return images.make_primary(image=instance)

    def perform_destroy(self, instance: ListingImage) -> None:
        images.remove_image(image=instance, actor=self.caller)

    @extend_schema(
        request=ImageOrderSerializer,
        responses={200: ImageOrderSerializer},
        summary="Put a listing's photos in order",
        description=f"All of them in one call: 422 `not_the_images` when one is missing or too many. "
        f"Without `order` nothing changes. {_LOCKED}",
        examples=[ORDER],
    )
    @action(detail=False, methods=["patch"], pagination_class=None, serializer_class=ImageOrderSerializer)
    def reorder(self, request: Request, vehicle_pk: int) -> Response:
        self.own()
        data = self.validated(ImageOrderSerializer)
        if data:
            images.reorder_images(listing_id=self.listing_pk, **data)
        present = ListingImage.objects.filter(listing_id=self.listing_pk).order_by("position")
        order = [str(pk) for pk in present.values_list("pk", flat=True)]
        return Response(self.represent({"order": order}, ImageOrderSerializer))

    reorder.query_class = None  # type: ignore[attr-defined]

    @extend_schema(
        parameters=[],
        responses={
            (200, "image/jpeg"): OpenApiTypes.BINARY,
            302: OpenApiResponse(description="The file is in a bucket, at this address for a few minutes."),
            304: OpenApiResponse(description="You have this photo already."),
        },
        summary="Read a photo's file",
        description="To whoever may see the listing, once the photo is ready. The address never changes; what is there "
        "does not either.",
    )
    @action(
        detail=True,
        methods=["get"],
        pagination_class=None,
        content_negotiation_class=AnyAccept,
        throttle_classes=[ScopedThrottle],
    )
    def file(self, request: Request, vehicle_pk: int, pk: UUID) -> HttpResponseBase:
        size = self.query().get("size", "original")
        image = get_object_or_404(self.get_queryset(), pk=pk, status=ListingImage.Status.READY)
        shown = images.file_of(image=image, size=size, now=clock.now())
        if shown.file is None:
            return HttpResponse(status=302, headers={"Location": shown.url, "Cache-Control": "private, max-age=60"})
        headers = {"ETag": tag_of(shown.key.encode()), "Cache-Control": "private, max-age=300"}
        if is_current(request, headers["ETag"]):
            shown.file.close()
            return HttpResponse(status=304, headers=headers)
        return _streamed(shown.file, image.content_type, disposition_of("inline", f"{image.pk}.jpg"), headers)

    file.query_class = SizeFilter  # type: ignore[attr-defined]


def _streamed(file: Any, content_type: str, disposition: str, headers: dict[str, str]) -> FileResponse:
    headers = {"Content-Disposition": disposition, "X-Content-Type-Options": "nosniff", **headers}
    return FileResponse(file, content_type=content_type, headers=headers)


@extend_schema_view(
    list=extend_schema(
        summary="List a listing's papers",
        description="To its seller, to staff, and to its buyer as long as the order stands; for all others there are "
        "none (404).",
        examples=[DOCUMENT],
    ),
    retrieve=extend_schema(summary="Read what a paper is", examples=[DOCUMENT]),
    create=extend_schema(
        summary="Confirm a paper",
        description=f"{_CONFIRMS}A file that is not what it was announced as is deleted: 422 `not_a_document`. "
        f"{_LOCKED}",
        examples=[NEW_DOCUMENT, DOCUMENT],
    ),
    destroy=extend_schema(
        summary="Remove a paper", description=f"Not while it is reviewed, nor once the vehicle is sold. {_LOCKED}"
    ),
)
class ListingDocumentViewSet(OfListing, ListMixin, RetrieveMixin, CreateMixin, DestroyMixin):
    """Papers of a listing."""

    queryset = ListingDocument.objects.all()
    serializer_class = ListingDocumentSerializer
    action_serializers = {"create": NewDocumentSerializer}

    def get_queryset(self) -> QuerySet[ListingDocument]:
        return documents.readable_documents(listing_id=self.listing_pk, user=self.caller)

    @idempotent
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:  # type: ignore[override]
        self.own()
        return super().create(request, *args, **kwargs)

    def perform_create(self, data: dict[str, Any]) -> ListingDocument:
        return documents.confirm_document(listing_id=self.listing_pk, actor=self.caller, **data)

    def perform_destroy(self, instance: ListingDocument) -> None:
        documents.remove_document(document=instance, actor=self.caller)

    @reading(
        detail=True,
        response=DocumentAddressSerializer,
        schema={
            "summary": "Ask where a paper can be read",
            "description": "An address for five minutes; the browser downloads what is there. It stands apart from the "
            "paper, whose ETag would change with it.",
            "examples": [ADDRESS],
        },
    )
    def url(self, request: Request, vehicle_pk: int, pk: UUID) -> Response:
        address = documents.address_of(document=self.get_object(), now=clock.now())
        return Response(self.represent(address, DocumentAddressSerializer))


# --- The folder's own ends ------------------------------------------------------------------------------------------


class FormParser(BaseParser):
    """A posted file: the parser writes it to its place."""

    media_type = "multipart/form-data"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> dict[str, Any]:
        receive(parser_context["request"].META, stream, now=clock.now())
        return {}


class UploadView(ApiView):
    """Takes a file at the address that `upload-url` gave."""

    authentication_classes = ()
    permission_classes = (Public,)
    parser_classes = (FormParser,)
    content_negotiation_class = AnyAccept
    throttle_scope = "uploads"

    def load_body(self, request: Request) -> None:
        """The body goes to the disk as it comes; its length was asked by the middleware."""
        if request.method == "POST" and not request.META.get("CONTENT_LENGTH"):
            raise BadRequest("Content-Length is needed.", code="length_required")

    @extend_schema(
        operation_id="uploads_create",
        summary="Post a file",
        description="As multipart/form-data, the fields of the form unchanged and the part `file` last. Who has the "
        "form may post. 403 `policy_refused`, `policy_expired`; 413 `file_too_large`; 400 `file_too_small`; 409 "
        "`already_uploaded`: a place takes one file. 404 where files go to a bucket.",
        request={
            "multipart/form-data": {
                "type": "object",
                "required": ["key", "Content-Type", "policy", "file"],
                "properties": {
                    "key": {"type": "string", "maxLength": 200},
                    "Content-Type": {"type": "string", "maxLength": 64},
                    "policy": {"type": "string", "maxLength": 2000},
                    "file": {"type": "string", "format": "binary"},
                },
            }
        },
        responses={204: None},
        examples=[
            OpenApiExample(
                "a photo",
                value={
                    "key": KEY,
                    "Content-Type": "image/jpeg",
                    "policy": "eyJrZXkiOi...:1vNq",
                    "file": "(the file)",
                },
                request_only=True,
                media_type="multipart/form-data",
            )
        ],
    )
    def post(self, request: Request) -> Response:
        if not store().is_local:
            raise NotFound
        _ = request.data
        return Response(status=204)


class FileView(ApiView):
    """Reads a private file at the address that was given out for it."""

    authentication_classes = ()
    permission_classes = (Public,)
    content_negotiation_class = AnyAccept

    @extend_schema(
        summary="Download a file",
        description="At an address that this service signed a few minutes ago; all others are 404.",
        responses={(200, kind): OpenApiTypes.BINARY for kind in files.DOCUMENT_TYPES},
    )
    def get(self, request: Request, token: str) -> FileResponse:
        try:
            shown = read_address(token, now=clock.now())
            file = store().open(shown.key)
        except FileMissing:
            raise NotFound from None
        if file is None:
            raise NotFound
        return _streamed(file, shown.content_type, disposition_of(shown.disposition, shown.filename), {})
