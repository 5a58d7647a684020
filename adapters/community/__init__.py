"""The community behind `CommunityPort`."""
