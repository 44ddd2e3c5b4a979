package dev.wrenn.control.capsule;

/**
 * What a capsule's owner decided about its ports when it was created.
 *
 * @param autoResume whether a request to a port resumes the capsule if it is paused
 * @param arePrivate whether a request must show an API key of the capsule's team
 */
public record PortRules(boolean autoResume, boolean arePrivate) {}
