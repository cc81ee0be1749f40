"""What sslyze finds at ADDRESS: TLS 1.2 and 1.3 alone, ciphers with forward secrecy and authentication alone, no known hole."""

import sys

from sslyze import (
    Scanner,
    ScanCommand,
    ScanCommandAttemptStatusEnum,
    ServerNetworkConfiguration,
    ServerNetworkLocation,
    ServerScanRequest,
)

OLD = {
    "SSL 2.0": ScanCommand.SSL_2_0_CIPHER_SUITES,
    "SSL 3.0": ScanCommand.SSL_3_0_CIPHER_SUITES,
    "TLS 1.0": ScanCommand.TLS_1_0_CIPHER_SUITES,
    "TLS 1.1": ScanCommand.TLS_1_1_CIPHER_SUITES,
}
CURRENT = {"TLS 1.2": ScanCommand.TLS_1_2_CIPHER_SUITES, "TLS 1.3": ScanCommand.TLS_1_3_CIPHER_SUITES}
HOLES = {
    ScanCommand.HEARTBLEED: lambda found: found.is_vulnerable_to_heartbleed,
    ScanCommand.OPENSSL_CCS_INJECTION: lambda found: found.is_vulnerable_to_ccs_injection,
    ScanCommand.TLS_COMPRESSION: lambda found: found.supports_compression,
    ScanCommand.TLS_1_3_EARLY_DATA: lambda found: found.supports_early_data,
    ScanCommand.SESSION_RENEGOTIATION: lambda found: found.is_vulnerable_to_client_renegotiation_dos,
}


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    request = ServerScanRequest(
        server_location=ServerNetworkLocation("localhost", int(port), host),
        network_configuration=ServerNetworkConfiguration(tls_server_name_indication="localhost"),
        scan_commands={*OLD.values(), *CURRENT.values(), *HOLES},
    )
    scanner = Scanner()
    scanner.queue_scans([request])
    result = next(iter(scanner.get_results())).scan_result
    faults = []

    def found(command):
        attempt = getattr(result, command.value)
        if attempt.status != ScanCommandAttemptStatusEnum.COMPLETED:
            faults.append(f"{command.value} did not end: {attempt.error_reason}")
            return None
        return attempt.result

    for name, command in OLD.items():
        suites = found(command)
        if suites and suites.accepted_cipher_suites:
            faults.append(f"{name} is spoken")
    counts = []
    for name, command in CURRENT.items():
        suites = found(command)
        accepted = [accepted.cipher_suite.name for accepted in suites.accepted_cipher_suites] if suites else []
        if not accepted:
            faults.append(f"{name} is not spoken")
        counts.append(f"{len(accepted)} ciphers of {name}")
        for suite in accepted:
            modern = "GCM" in suite or "CHACHA20_POLY1305" in suite
            if not modern or (name == "TLS 1.2" and not suite.startswith("TLS_ECDHE_")):
                faults.append(f"{name}: {suite} is weak")
    for command, is_open in HOLES.items():
        answer = found(command)
        if answer is not None and is_open(answer):
            faults.append(f"{command.value}: open")
    for fault in faults:
        print(f"sslyze: {fault}", file=sys.stderr)
    if not faults:
        print(f"ok: sslyze: {', '.join(counts)}, nothing weak, nothing older")
    return len(faults)


sys.exit(main())
