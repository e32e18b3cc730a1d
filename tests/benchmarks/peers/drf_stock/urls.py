from django.urls import include, path
from rest_framework.routers import SimpleRouter

from tests.benchmarks.peers.drf_stock.views import CarViewSet

router = SimpleRouter(trailing_slash=False)
router.register("cars", CarViewSet)
urlpatterns = [path("api/", include(router.urls))]
