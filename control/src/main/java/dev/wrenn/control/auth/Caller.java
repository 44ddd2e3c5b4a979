package dev.wrenn.control.auth;

/**
 * Who calls.
 *
 * @param team whose things it may touch
 * @param keyId the key it showed
 */
public record Caller(TeamId team, String keyId) {}
