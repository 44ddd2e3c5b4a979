package dev.wrenn.host.guest;

import dev.wrenn.base.Secret;
import dev.wrenn.contract.host.ProcessDefaults;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;

/**
 * What a guest must be told after every start and resume, before any user code notices: the time,
 * fresh entropy (two guests restored from one snapshot would otherwise draw the same random
 * numbers), who it is, and its environment.
 *
 * @param capsule the capsule's id
 * @param template the template's id
 * @param token what the agent demands from now on
 * @param defaults what its processes get
 */
public record GuestInit(
        String capsule,
        String template,
        Secret token,
        ProcessDefaults defaults,
        InstantSource clock) {
    private static final int ENTROPY_BYTES = 64;

    String toJson() {
        var entropy = new byte[ENTROPY_BYTES];
        new SecureRandom().nextBytes(entropy);
        var json = GuestAgent.JSON.createObjectNode();
        json.put("capsuleId", capsule);
        json.put("templateId", template);
        json.put("accessToken", token.reveal());
        json.put("entropy", Base64.getEncoder().encodeToString(entropy));
        json.put("defaultUser", defaults.user().orElse("root"));
        defaults.directory().ifPresent(d -> json.put("defaultWorkdir", d));
        var variables = json.putObject("envVars");
        defaults.environment().forEach(variables::put);
        Instant now = clock.instant();
        json.put("timestamp", now.toString());
        return json.toString();
    }
}
