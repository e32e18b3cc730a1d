"""Flask + SQLAlchemy 2 + marshmallow, in the manner of a well-kept Flask service: a scoped session per
request, a `jwt_required` decorator that loads the user, a schema per resource, `jsonify`. Served by
gunicorn's gthread worker.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import jwt
from flask import Flask, Response, g, jsonify, request
from marshmallow import Schema, fields
from marshmallow.validate import Range
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import scoped_session, sessionmaker

from tests.benchmarks.peers import JWT_ISSUER, JWT_SECRET_KEY
from tests.benchmarks.peers.tables import Car, User, url_for

engine = create_engine(
    url_for("postgresql+psycopg"),
    pool_size=8,
    connect_args={"application_name": "bench-flask", "prepare_threshold": 1},
)
db = scoped_session(sessionmaker(engine))
app = Flask(__name__)


class CarSchema(Schema):
    id = fields.Integer()
    make = fields.String()
    model = fields.String()
    year = fields.Integer()
    category = fields.String()
    source = fields.String()
    external_id = fields.String(allow_none=True)
    source_updated_at = fields.DateTime(allow_none=True)
    created_in_run = fields.Integer(allow_none=True)
    locked_fields = fields.List(fields.String())
    withdrawn_at = fields.DateTime(allow_none=True)
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class CarQuerySchema(Schema):
    make = fields.String()
    year = fields.Integer()
    page = fields.Integer(load_default=1, validate=Range(min=1))
    limit = fields.Integer(load_default=20, validate=Range(min=1, max=100))


car_schema = CarSchema()
cars_schema = CarSchema(many=True)
query_schema = CarQuerySchema()


@app.teardown_appcontext
def close_session(_error: BaseException | None = None) -> None:
    db.remove()


def jwt_required(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            return jsonify(error="Missing token"), 401
        try:
            claims = jwt.decode(token, JWT_SECRET_KEY, algorithms=["HS256"], issuer=JWT_ISSUER)
        except jwt.PyJWTError:
            return jsonify(error="Invalid token"), 401
        user = db.get(User, int(claims["sub"]))
        if user is None or not user.is_active:
            return jsonify(error="Invalid token"), 401
        g.user = user
        return view(*args, **kwargs)

    return wrapper


@app.get("/api/cars")
@jwt_required
def list_cars() -> Response:
    query = query_schema.load(request.args)
    statement = select(Car).where(Car.withdrawn_at.is_(None))
    if "make" in query:
        statement = statement.where(Car.make_key == query["make"].casefold())
    if "year" in query:
        statement = statement.where(Car.year == query["year"])
    count = db.scalar(select(func.count()).select_from(statement.subquery()))
    page = statement.order_by(Car.id).limit(query["limit"]).offset((query["page"] - 1) * query["limit"])
    return jsonify(count=count, page=query["page"], results=cars_schema.dump(db.scalars(page)))


@app.get("/api/cars/<int:car_id>")
@jwt_required
def get_car(car_id: int) -> Any:
    car = db.get(Car, car_id)
    if car is None:
        return jsonify(error="Not found"), 404
    return jsonify(car_schema.dump(car))
