"""What the groups service serves, at a glance."""

from __future__ import annotations

from chassis.settings import Settings
from chassis.store import Store
from groups.asks.api import AsksApi
from groups.asks.store import Asks, Offers
from groups.attendances.api import AttendancesApi
from groups.attendances.store import Attendances
from groups.common_ground.api import CommonGroundApi
from groups.demand.api import DemandApi
from groups.demand.store import Demands, ServiceChanges
from groups.groups.api import GroupsApi
from groups.groups.store import Groups as GroupsStore
from groups.interests.api import InterestsApi
from groups.interests.store import InterestChanges, Interests
from groups.invitations.api import InvitationsApi
from groups.invitations.store import Invitations
from groups.members.api import MembersApi
from groups.members.store import Members
from groups.moderation.api import ModerationApi
from groups.moderation.store import Audit, Reports
from groups.people.api import PeopleApi
from groups.people.store import People
from groups.promotions.api import PromotionsApi
from groups.promotions.store import Audiences, PromotionChunks, Promotions
from groups.search.api import SearchApi
from groups.search.store import ListedGroups
from groups.sessions.api import SessionsApi
from groups.sessions.signing import identity
from groups.sessions.store import Attempts, RefreshTokens, Sessions
from groups.settings import GroupsSettings
from groups.suggestions.api import SuggestionsApi
from groups.suggestions.store import Companions
from groups.tokens.api import TokensApi
from groups.tokens.store import Tokens
from groups.watches.api import WatchesApi
from groups.watches.store import MatchedGroups, Matches, Watches


class Groups(
    PeopleApi,
    SessionsApi,
    TokensApi,
    InterestsApi,
    GroupsApi,
    SearchApi,
    MembersApi,
    InvitationsApi,
    ModerationApi,
    AsksApi,
    AttendancesApi,
    PromotionsApi,
    CommonGroundApi,
    WatchesApi,
    DemandApi,
    SuggestionsApi,
):
    """People, their interests, and the groups they gather in."""

    name = "groups"
    identity = staticmethod(identity)
    settings = Settings(GroupsSettings)
    store = Store(
        people=People,
        sessions=Sessions,
        refresh_tokens=RefreshTokens,
        attempts=Attempts,
        tokens=Tokens,
        interests=Interests,
        interest_changes=InterestChanges,
        groups=GroupsStore,
        listed_groups=ListedGroups,
        members=Members,
        invitations=Invitations,
        reports=Reports,
        audit=Audit,
        asks=Asks,
        offers=Offers,
        attendances=Attendances,
        promotions=Promotions,
        promotion_chunks=PromotionChunks,
        audiences=Audiences,
        watches=Watches,
        matched_groups=MatchedGroups,
        matches=Matches,
        demand=Demands,
        service_changes=ServiceChanges,
        companions=Companions,
    )
