"""Published claims: whether their own figures follow from one another."""
