"""The paths."""

from __future__ import annotations

from django import VERSION
from django.urls import path

from examples.django_app import views

urlpatterns = [
    path("images", views.post_image),
    path("images/<int:image_id>", views.get_image),
    path("jobs", views.post_job),
    path("jobs/<job_id>", views.get_job),
    path("async/jobs", views.apost_job),
    path("async/jobs/<job_id>", views.aget_job),
]

if VERSION >= (6,):
    from examples.django_app import task_views

    urlpatterns += [
        path("counts", task_views.post_count),
        path("counts/<result_id>", task_views.get_count),
    ]
