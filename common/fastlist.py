"""The fast list path: one statement whose rows are JSON already.

`FastListMixin` answers `GET /things` as `ListMixin` does, byte for byte, from the same declarations: queryset, filter
set, serializer and paging. What it saves is work per request. The first request of a *shape* (which filters are given,
which order, which way of paging) builds the queryset with stand-ins for the values and lets the ORM compile it; later
ones only bind their values to that statement, which the server keeps prepared. The bounded count is a subquery of it,
and the database writes each row as the JSON text that goes out.

Callers are values as well. Of the caller, queryset and serializer may use the id, which is bound, and the permissions
that the view declares as `audience`, which are part of the shape; of the path its parameters; of the time the moment in
the serializer's context. While a statement is compiled stand-ins take their places, and the one of the caller refuses
whatever else is asked of it: a statement that was made for one caller can hold nothing that is another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, NamedTuple, TypeVar
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import F, QuerySet
from django.http import HttpResponse
from rest_framework.request import Request

from common import clock, pagination, replicas
from common.filters import SearchFilter, StrictFilter, refuse_parameters
from common.keyset import Cursor, SortTerm, cursor_of, read_cursor, resolve_field, sort_terms
from common.pagination import FIRST, PageRequest, link_header, page_links, read_page, walked
from common.prepared import fetch_prepared
from common.renderers import dump_json
from common.rowjson import columns_of, conditional_of, row_object
from common.views import ListMixin

MAX_PLANS = 256  # Compiled statements of a process; when there are more shapes, it starts over.
Key = TypeVar("Key")
Made = TypeVar("Made")
_plans: dict[tuple[Any, ...], Plan | None] = {}
_orders: dict[tuple[Any, ...], list[SortTerm]] = {}


def _kept(memory: dict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    """What was made for the key, from a memory that another thread may empty at any moment."""
    try:
        return memory[key]
    except KeyError:
        if len(memory) >= MAX_PLANS:
            memory.clear()
        made = memory[key] = make()
        return made


class FastListMixin(ListMixin):
    """`GET /things` by one statement. What cannot go this way (the browsable API, a filter that no row can meet) goes
    the plain one; so does an empty list below another resource, which may not be there at all."""

    # The permissions that decide what the list shows. None: it is the same for everybody.
    audience: ClassVar[tuple[str, ...] | None] = None

    def list(self: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        fast = self.fast_list(request) if request.accepted_renderer.format == "json" else None
        return fast or super().list(request, *args, **kwargs)

    def fast_list(self: Any, request: Request) -> HttpResponse | None:
        """The answer as JSON; None when the plain way has to give it."""
        return _answer(self, request)


class StandInCaller:
    """Who asks, while a statement is compiled: the id stands for that of every caller, the permissions are those that
    the shape is for. Nothing else is known, and asking is an error."""

    def __init__(self, pk: int | None, granted: Mapping[str, bool] | None) -> None:
        self._granted = granted
        if granted is not None:
            self.pk = self.id = pk
            self.is_authenticated = pk is not None

    def has_perm(self, perm: str) -> bool:
        if self._granted is None or perm not in self._granted:
            raise RuntimeError(f"The list depends on {perm}, so its view has to name it in `audience`.")
        return self._granted[perm]


class Slot(NamedTuple):
    """A value of the request on its way to the database: its column and lookup decide the form it takes."""

    value: Any
    field: Any
    lookup: str = "exact"

    def parameter(self) -> Any:
        if self.lookup in ("contains", "icontains"):
            return f"%{connection.ops.prep_for_like_query(self.value)}%"
        if self.lookup == "iexact":
            return connection.ops.prep_for_iexact_query(self.value)
        return self.field.get_db_prep_value(self.value, connection)

    def stand_in(self, number: int) -> Slot:
        return self._replace(value=_stand_in(self.value, number))


class Plan(NamedTuple):
    """A compiled statement. Each of its parameters is the value of a slot, by number, or a constant. After the slots
    come the depth, the limit, the rows to skip and, where it is used, the moment."""

    sql: str
    parameters: list[tuple[int | None, Any]]
    with_keys: bool
    with_moment: bool

    def bind(self, slots: Sequence[Slot], page: PageRequest) -> list[Any]:
        given = [slot.parameter() for slot in slots]
        given += [pagination.MAX_DEPTH + 1, page.limit + 1, page.skip]
        if self.with_moment:
            given.append(Slot(clock.now(), _MOMENT).parameter())
        return [constant if number is None else given[number] for number, constant in self.parameters]


_MOMENT = models.DateTimeField()
_HAS_ALL = "has_all"  # A column.


def _answer(view: Any, request: Request) -> HttpResponse | None:
    query, known = request.query_params, view.pagination_class.parameters
    filters = _filters_of(view)
    refuse_parameters(query, filters.keys() | known.keys())
    values = view.filterset_class.read(query) if filters else {}
    page = read_page(query, known)
    if "page" not in known and page.cursor is None:  # A list by cursor alone.
        page = page._replace(cursor=FIRST)
    terms = cursor = None
    if page.cursor is not None or page.is_followed_by_cursor:
        terms = _sort_terms(view, values)
        cursor = None if page.cursor in (None, FIRST) else read_cursor(page.cursor, view.queryset.model, terms)
    shape = Shape(view, values, page, terms, cursor)
    plan = shape.plan()
    return None if plan is None else _render(request, page, plan, shape)


def _filters_of(view: Any) -> Mapping[str, StrictFilter]:
    return view.filterset_class.base_filters if view.filterset_class else {}


def _sort_terms(view: Any, values: dict[str, Any]) -> list[SortTerm]:
    """The order that the request asks for; only a filter that changes the statement can change it."""
    model, filters = view.queryset.model, _filters_of(view)
    fixed = {name: value for name, value in values.items() if not _slots(filters[name], model, value)}
    key = (type(view), *fixed.items())
    return _kept(_orders, key, lambda: sort_terms(_filtered(view, view.get_queryset(), fixed)))


def _filtered(view: Any, queryset: QuerySet[Any], values: dict[str, Any]) -> QuerySet[Any]:
    if not view.filterset_class:
        return queryset
    filterset = view.filterset_class(data=view.request.query_params, queryset=queryset)
    filtered: QuerySet[Any] = filterset.apply(filterset.queryset, values)
    return filtered


class Shape:
    """A list request with its values taken out: what is left decides the statement."""

    def __init__(
        self, view: Any, values: dict[str, Any], page: PageRequest, terms: list[SortTerm] | None, cursor: Cursor | None
    ) -> None:
        self.view, self.values, self.page, self.terms, self.cursor = view, values, page, terms, cursor
        self.granted: dict[str, bool] | None = None
        self.slots: list[Slot] = []
        parts: list[Any] = [type(view), page.counting if page.cursor is None else "none", terms is not None]
        if view.audience is not None:
            caller = view.request.user
            self.granted = {perm: caller.pk is not None and caller.has_perm(perm) for perm in view.audience}
            self.slots += [] if caller.pk is None else [Slot(caller.pk, _ID)]
            parts.append((caller.pk is None, *self.granted.values()))
        self.slots += [Slot(value, _ID) for value in view.kwargs.values()]
        self.place = len(self.slots)  # Of the first slot that is no standing one.
        filters = _filters_of(view)
        for name, value in values.items():
            slots = _slots(filters[name], view.queryset.model, value)
            self.slots += slots
            parts.append((name, len(slots) if slots else value))
        if cursor is not None and terms is not None:
            self.slots += [
                Slot(value, term.field) for term, value in zip(terms, cursor.values, strict=True) if value is not None
            ]
            parts.append((cursor.backwards, *(value is None for value in cursor.values)))
        elif page.cursor is not None:
            parts.append(FIRST)
        self.key = tuple(parts)

    def plan(self) -> Plan | None:
        """The statement; None when the ORM sees that no row can match."""
        return _kept(_plans, self.key, self._compile)

    def _compile(self) -> Plan | None:
        """Two sets of stand-ins have to give the same statement with the same constants. Otherwise a constant happened
        to equal a stand-in and would be taken for a value, or something was computed of one (of the caller's id, of
        the moment) and would be kept for everybody."""
        try:
            first, second = self._compile_with(1), self._compile_with(2 + len(self.slots))
        except EmptyResultSet:
            return None
        if first != second:
            raise RuntimeError(f"{type(self.view).__name__}: a constant of its statement depends on a stand-in.")
        return first

    def _compile_with(self, start: int) -> Plan:
        slots = [slot.stand_in(start + number) for number, slot in enumerate(self.slots)]
        moment = Slot(_stand_in(datetime.now(UTC), start + len(slots)), _MOMENT)
        with self._standing_in([slot.value for slot in slots[: self.place]]):
            queryset = self._queryset([slot.value for slot in slots[self.place :]])
            rows_sql, rows_parameters = _rows(self.view, queryset, self.terms, moment.value)
            count_sql, count_parameters = self._count(queryset)
        # What Plan.bind adds to the slots.
        depth, limit, skip, moment_place = ((len(slots) + number, None) for number in range(4))
        stand_ins = [*(slot.parameter() for slot in slots), None, None, None, moment.parameter()]
        parameters = _sources(count_parameters, stand_ins)
        if self.key[1] is None:
            parameters.append(depth)
        parameters += [*_sources(rows_parameters, stand_ins), limit, skip]
        sql = _statement(count_sql, rows_sql, self.terms, self.view)
        return Plan(sql, parameters, self.terms is not None, moment_place in parameters)

    def _count(self, queryset: QuerySet[Any]) -> tuple[str, Sequence[Any]]:
        if self.key[1] == "none":
            return "SELECT NULL AS n", ()
        sql, parameters = queryset.order_by().values_list("pk").query.sql_with_params()
        limited = " LIMIT %s" if self.key[1] is None else ""
        return f"SELECT count(*) AS n FROM ({sql}{limited}) AS u", parameters  # noqa: S608

    @contextmanager
    def _standing_in(self, atoms: Sequence[Any]) -> Iterator[None]:
        """The view as it would be for the stand-ins of its caller and of its path."""
        left = list(atoms)
        request, caller, kwargs = self.view.request, self.view.request.user, self.view.kwargs
        pk = left.pop(0) if len(left) > len(kwargs) else None
        request.user = StandInCaller(pk, self.granted)
        self.view.kwargs = dict(zip(kwargs, left, strict=True))
        try:
            yield
        finally:
            request.user, self.view.kwargs = caller, kwargs

    def _queryset(self, atoms: Sequence[Any]) -> QuerySet[Any]:
        """The view's queryset, filtered and ordered, with `atoms` for the values."""
        left = list(atoms)
        values, filters = {}, _filters_of(self.view)
        for name, value in self.values.items():
            filter_ = filters[name]
            taken = [left.pop(0) for _ in _slots(filter_, self.view.queryset.model, value)]
            values[name] = value if not taken else " ".join(taken) if isinstance(filter_, SearchFilter) else taken[0]
        queryset = _filtered(self.view, self.view.get_queryset(), values)
        terms = self.terms or sort_terms(queryset)
        backwards = self.cursor is not None and self.cursor.backwards
        if self.cursor is not None:
            place = [None if value is None else left.pop(0) for value in self.cursor.values]
            queryset = self.cursor._replace(values=tuple(place)).filter(queryset, terms)
        return queryset.order_by(*(term.order_by(reverse=backwards) for term in terms))


def _sources(parameters: Sequence[Any], stand_ins: list[Any]) -> list[tuple[int | None, Any]]:
    """For each parameter the number of the stand-in that it is, or itself."""
    return [
        next(
            ((number, None) for number, stand_in in enumerate(stand_ins) if _is_same(stand_in, value)),
            (None, value),
        )
        for value in parameters
    ]


def _is_same(stand_in: Any, value: Any) -> bool:
    """The driver's own kinds of integers stand for integers."""
    kind = int if isinstance(value, int) and not isinstance(value, bool) else type(value)
    return stand_in is not None and isinstance(stand_in, kind) and bool(stand_in == value)


def _slots(filter_: StrictFilter, model: type[models.Model], value: Any) -> list[Slot]:
    """What of a filter's value can be bound; nothing for filters whose value changes the statement (orders, booleans,
    filters with a `filter` of their own and no `bound_as`)."""
    if isinstance(filter_, SearchFilter):
        return [Slot(word, None, "icontains") for word in value.split()]
    if filter_.bound_as is not None:
        return [Slot(value, filter_.bound_as)]
    if type(filter_).filter is not StrictFilter.filter or filter_.lookup_expr not in _BOUND_LOOKUPS:
        return []
    if isinstance(value, bool) or filter_.method is not None:
        return []
    return [Slot(value, resolve_field(model, filter_.field_name or ""), filter_.lookup_expr)]


_ID = models.BigAutoField()
_BOUND_LOOKUPS = frozenset({"exact", "iexact", "contains", "icontains", "gt", "gte", "lt", "lte"})


def _stand_in(value: Any, number: int) -> Any:
    """Another value of the same kind, unlike any other and within every column's range."""
    if isinstance(value, int):
        return 31_000 + number * 37 % 1_767  # None the neighbour of another.
    if isinstance(value, datetime):
        return datetime(1971, 2, 3, 4, 5, tzinfo=UTC) + timedelta(seconds=number)
    if isinstance(value, date):
        return date(1971, 2, 3) + timedelta(days=number)
    if isinstance(value, Decimal):
        return Decimal(100 + number).scaleb(-2)
    return UUID(int=number) if isinstance(value, UUID) else f"stand-in{number}"


def _rows(
    view: Any, queryset: QuerySet[Any], terms: list[SortTerm] | None, moment: datetime
) -> tuple[str, Sequence[Any]]:
    """The statement of the rows: on PostgreSQL their columns, on SQLite their JSON, and the sort values if asked. On
    PostgreSQL last whether a row has its conditional members."""
    serializer = view.get_serializer(context=view.get_serializer_context() | {"moment": moment})
    columns = columns_of(serializer, queryset.model, connection.vendor)
    keys = {f"k{number}": F(term.name) for number, term in enumerate(terms or ())}
    if connection.vendor != "postgresql":
        shown = {"row_json": row_object(serializer, columns)}
    else:
        shown = {f"c{number}": expression for number, expression in enumerate(columns.values())}
        if conditional_of(serializer):
            keys[_HAS_ALL] = serializer.has_conditional("")
    return queryset.annotate(**shown, **keys).values_list(*shown, *keys).query.sql_with_params()


def _statement(count_sql: str, rows_sql: str, terms: list[SortTerm] | None, view: Any) -> str:
    """A row per row of the page: the count, the row's JSON, its sort values. An empty page has one row, with the count
    alone."""
    rows = f"({rows_sql} LIMIT %s OFFSET %s)"
    keys = [f"k{number}" for number in range(len(terms or ()))]
    shown_keys = "".join(f", t.{key}" for key in keys)
    if connection.vendor != "postgresql":
        return f"SELECT c.n, t.row_json{shown_keys} FROM ({count_sql}) AS c LEFT JOIN {rows} AS t ON 1"  # noqa: S608
    serializer = view.get_serializer()
    names = [name for name, field in serializer.fields.items() if not field.write_only]
    row = _object(names) if keys else "row_to_json(t)::text"
    columns = [f'"{name}"' for name in names] + keys
    if conditional := conditional_of(serializer):
        fewer = _object([name for name in names if name not in conditional])
        row = f"CASE WHEN t.{_HAS_ALL} THEN {_object(names)} WHEN NOT t.{_HAS_ALL} THEN {fewer} END"
        columns.append(_HAS_ALL)
    shown_columns = ", ".join(columns)
    return f"SELECT c.n, {row}{shown_keys} FROM ({count_sql}) AS c LEFT JOIN {rows} AS t({shown_columns}) ON TRUE"  # noqa: S608


def _object(names: Sequence[str]) -> str:
    own = ", ".join(f't."{name}"' for name in names)
    return f"(SELECT row_to_json(r)::text FROM (SELECT {own}) AS r)"  # noqa: S608


def _render(request: Request, page: PageRequest, plan: Plan, shape: Shape) -> HttpResponse | None:
    found = fetch_prepared(plan.sql, plan.bind(shape.slots, page), replicas.current())
    count = found[0][0]
    # The row of an empty page: no JSON, or the JSON of no sort values.
    rows = [row for row in found if row[1] is not None and (not plan.with_keys or row[-1] is not None)]
    if not rows and shape.view.kwargs:
        return None
    if page.cursor is not None:
        keyed = [_Row(row, shape.terms or []) for row in rows]
        keyed, next_url, previous_url = walked(request, keyed, page.limit, shape.cursor, shape.terms or [])
        texts = [row.json for row in keyed]
    else:
        texts = [row[1] for row in rows[: page.limit]]
        last: Any = None
        if len(rows) > page.limit:
            last = cursor_of(_Row(rows[page.limit - 1], shape.terms), shape.terms) if shape.terms else Cursor(())
        next_url, previous_url = page_links(request, page, last)
    capped = page.counting is None and count is not None and count > pagination.MAX_DEPTH
    head = dump_json(
        {
            "count": min(count, pagination.MAX_DEPTH) if capped else count,
            "count_capped": capped,
            "next": next_url,
            "previous": previous_url,
        }
    )
    body = head[:-1] + b',"results":[' + ",".join(texts).encode() + b"]}"
    return HttpResponse(body, content_type="application/json", headers=link_header(next_url, previous_url))


class _Row(dict[str, Any]):
    """A row's sort values by name, and its JSON."""

    def __init__(self, row: Sequence[Any], terms: list[SortTerm] | None) -> None:
        self.json: str = row[1]
        super().__init__(
            {term.name: _sort_value(value, term) for term, value in zip(terms or (), row[2:], strict=True)}
        )


def _sort_value(value: Any, term: SortTerm) -> Any:
    """SQLite answers times as text or without their zone, which is UTC, and decimals as other numbers."""
    if value is not None and isinstance(term.field, models.DecimalField):
        return Decimal(str(value))
    if value is None or not isinstance(term.field, models.DateTimeField):
        return value
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
