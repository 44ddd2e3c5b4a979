package dev.wrenn.host;

import dev.wrenn.contract.host.HostAgent;
import dev.wrenn.simhost.GuestContract;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayNameGeneration;
import org.junit.jupiter.api.DisplayNameGenerator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/** What every host agent promises about a guest, with the real guest agent in a real VM. */
@Tag("vm")
@ExtendWith(LabExtension.class)
@DisplayNameGeneration(DisplayNameGenerator.ReplaceUnderscores.class)
class GuestVmTest extends GuestContract {
    private static HostLab lab;

    @BeforeAll
    static void open(HostLab shared) {
        lab = shared;
    }

    @Override
    protected HostAgent host() {
        return lab.host();
    }
}
