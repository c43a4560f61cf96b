"""Addresses of pages about orders, positions, accounts and connections."""

from __future__ import annotations

from django.urls import path

from brokers.domain.chats.destinations import Service
from brokers.pages import (
    accounts,
    authorizing,
    closing,
    connection_forms,
    connections,
    diagnosis,
    doubts,
    elsewhere,
    help,
    keysets,
    notices,
    orders,
    owning,
    proxies,
    questions,
    rulebook,
    signing,
    stress,
)
from brokers.pages.advisors import groups
from brokers.pages.changing import orders as changing
from brokers.pages.changing import positions as protecting
from brokers.pages.chats import destinations
from brokers.pages.contracts import splits, symbols

TEAM = "teams/<uuid:team_code>/"

urlpatterns = [
    path(TEAM + "orders/", orders.orders, name="orders"),
    path(TEAM + "orders/<uuid:order_code>/", orders.order, name="order"),
    path(TEAM + "orders/<uuid:order_code>/cancel/", orders.order_cancel, name="order_cancel"),
    path(TEAM + "orders/<uuid:order_code>/change/", changing.order_change, name="order_change"),
    path(TEAM + "orders/elsewhere/<uuid:foreign_code>/", elsewhere.foreign_order, name="foreign_order"),
    path(TEAM + "orders/elsewhere/<uuid:foreign_code>/cancel/", elsewhere.foreign_cancel, name="foreign_cancel"),
    path(TEAM + "orders/elsewhere/<uuid:foreign_code>/decide/", elsewhere.foreign_decide, name="foreign_decide"),
    path(TEAM + "orders/unclaimed/<uuid:unclaimed_code>/", elsewhere.unclaimed_order, name="unclaimed_order"),
    path(TEAM + "orders/unclaimed/<uuid:unclaimed_code>/decide/", elsewhere.unclaimed_decide, name="unclaimed_decide"),
    path(TEAM + "positions/", accounts.positions, name="positions"),
    path(
        TEAM + "accounts/<uuid:account_code>/positions/<int:conid>/close/",
        closing.position_close,
        name="position_close",
    ),
    path(
        TEAM + "accounts/<uuid:account_code>/positions/<int:conid>/protect/",
        protecting.position_protect,
        name="position_protect",
    ),
    path(TEAM + "accounts/<uuid:account_code>/", accounts.account, name="account"),
    path(TEAM + "accounts/<uuid:account_code>/equity.json", accounts.account_equity, name="account_equity"),
    path(TEAM + "accounts/<uuid:account_code>/contracts/<int:conid>/", accounts.contract, name="contract"),
    path(TEAM + "splits/<uuid:split_code>/", splits.split, name="split"),
    path(TEAM + "splits/<uuid:split_code>/decide/", splits.split_decide, name="split_decide"),
    path(TEAM + "questions/", questions.questions, name="questions"),
    path(TEAM + "symbols/", symbols.symbols, name="symbols"),
    path(TEAM + "rulebook/", rulebook.rulebook, name="rulebook"),
    path(TEAM + "connections/", connections.connections, name="connections"),
    path(TEAM + "connections/new/", connection_forms.connection_new, name="connection_new"),
    path(TEAM + "connections/new/signing/", signing.connection_signing, name="connection_signing"),
    path(TEAM + "connections/new/keys/", keysets.keyset_new, name="keyset_new"),
    path(TEAM + "connections/new/allow/", authorizing.authorization_new, name="authorization_new"),
    path(TEAM + "connections/keys/<uuid:keyset_code>/", keysets.keyset, name="keyset"),
    path(TEAM + "connections/keys/<uuid:keyset_code>/token/", keysets.keyset_token, name="keyset_token"),
    path(TEAM + "connections/keys/<uuid:keyset_code>/discard/", keysets.keyset_discard, name="keyset_discard"),
    path(TEAM + "connections/keys/<uuid:keyset_code>/files/<str:name>", keysets.keyset_file, name="keyset_file"),
    path(TEAM + "connections/allow/<uuid:authorization_code>/", authorizing.authorization, name="authorization"),
    path("connections/callback/", authorizing.ibkr_callback, name="ibkr_callback"),
    path(TEAM + "connections/<uuid:connection_code>/", connections.connection, name="connection"),
    path(TEAM + "connections/<uuid:connection_code>/keys/", signing.connection_keys, name="connection_keys"),
    path(
        TEAM + "connections/<uuid:connection_code>/keys/<str:name>",
        signing.connection_key_file,
        name="connection_key_file",
    ),
    path(TEAM + "connections/<uuid:connection_code>/allow/", authorizing.connection_allow, name="connection_allow"),
    path(TEAM + "connections/<uuid:connection_code>/edit/", connection_forms.connection_edit, name="connection_edit"),
    path(
        TEAM + "connections/<uuid:connection_code>/certificate/",
        connection_forms.connection_certificate,
        name="connection_certificate",
    ),
    path(TEAM + "connections/<uuid:connection_code>/switch/", connections.connection_switch, name="connection_switch"),
    path(TEAM + "orders/<uuid:order_code>/decide/", doubts.order_decide, name="order_decide"),
    path(TEAM + "orders/<uuid:order_code>/keep-both/", doubts.order_keep_both, name="order_keep_both"),
    path(TEAM + "connections/<uuid:connection_code>/resends/", doubts.connection_resends, name="connection_resends"),
    path(TEAM + "connections/<uuid:connection_code>/unasked/", questions.connection_unasked, name="connection_unasked"),
    path(TEAM + "connections/<uuid:connection_code>/exits/", connections.connection_exits, name="connection_exits"),
    path(TEAM + "connections/<uuid:connection_code>/prices/", connections.connection_prices, name="connection_prices"),
    path(TEAM + "connections/<uuid:connection_code>/verify/", connections.connection_verify, name="connection_verify"),
    path(
        TEAM + "connections/<uuid:connection_code>/ownership/", owning.connection_ownership, name="connection_ownership"
    ),
    path(
        TEAM + "connections/<uuid:connection_code>/take-back/", owning.connection_take_back, name="connection_take_back"
    ),
    path(TEAM + "connections/<uuid:connection_code>/proxy/", proxies.connection_proxy, name="connection_proxy"),
    path(TEAM + "connections/<uuid:connection_code>/groups/", groups.groups, name="groups"),
    path(TEAM + "connections/<uuid:connection_code>/groups/read/", groups.groups_read, name="groups_read"),
    path(TEAM + "connections/<uuid:connection_code>/groups/new/", groups.group_new, name="group_new"),
    path(TEAM + "connections/<uuid:connection_code>/groups/<uuid:group_code>/", groups.group, name="group"),
    path(
        TEAM + "connections/<uuid:connection_code>/groups/<uuid:group_code>/remove/",
        groups.group_remove,
        name="group_remove",
    ),
    path(TEAM + "connections/<uuid:connection_code>/stress/", stress.panel, name="stress"),
    path(TEAM + "connections/<uuid:connection_code>/stress/clear/", stress.clear, name="stress_clear"),
    path(TEAM + "connections/<uuid:connection_code>/diagnosis/", diagnosis.diagnosis, name="connection_diagnosis"),
    path(TEAM + "connections/<uuid:connection_code>/times.json", diagnosis.curve, name="connection_times"),
    path(TEAM + "notices/", notices.notices, name="notices"),
    *(
        path(
            TEAM + f"notices/new/{service}/",
            destinations.destination_new,
            {"service": str(service)},
            name=f"destination_{service}",
        )
        for service in Service
    ),
    path(TEAM + "notices/<uuid:destination_code>/", destinations.destination, name="destination"),
    path(TEAM + "notices/<uuid:destination_code>/test/", destinations.destination_test, name="destination_test"),
    path(TEAM + "notices/<uuid:destination_code>/pause/", destinations.destination_pause, name="destination_pause"),
    path(TEAM + "notices/<uuid:destination_code>/remove/", destinations.destination_remove, name="destination_remove"),
    path("help/", help.help_index, name="help_index"),
    path("help/<slug:page>/", help.help_page, name="help"),
]
