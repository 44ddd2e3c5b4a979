/** What a host agent offers of one running capsule's guest agent. */
@NullMarked
package dev.wrenn.contract.guest;

import org.jspecify.annotations.NullMarked;
