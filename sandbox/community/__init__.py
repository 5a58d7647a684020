"""The community: a feed of posts, topics, comments and likes over REST."""
