-- A state of schema 1, as the first version left it that a server could be run from: one client with a delegation of a
-- day from 2026-11-24T09:00:00Z, its three keys, and a start, a grant, a pull, an exchange, a refused one and a stop in
-- the log. Made by that version and dumped; its key-encryption key stands in old-state.test.ts and protects nothing else.
CREATE TABLE settings (name text primary key, value text not null);
CREATE TABLE users (
        id text primary key,
        email text not null unique,
        active integer not null,
        created_at bigint not null
      );
CREATE TABLE roles (name text primary key, permissions text not null);
CREATE TABLE role_bindings (
        user_id text not null references users (id),
        role_name text not null references roles (name),
        primary key (user_id, role_name)
      );
CREATE TABLE clients (
        id text primary key,
        name text not null,
        email text not null,
        client_type text not null,
        agent_type text,
        spiffe_id text unique,
        platform text,
        selectors text not null,
        active integer not null,
        created_at bigint not null,
        updated_at bigint not null
      );
CREATE INDEX clients_name on clients (name);
CREATE TABLE resources (
        uri text primary key,
        permissions text not null,
        client_id text references clients (id),
        created_at bigint not null
      );
CREATE TABLE policies (
        id text primary key,
        role_name text not null,
        agent_type text not null,
        allowed_permissions text not null,
        resources text not null,
        max_ttl_seconds integer not null,
        enabled integer not null,
        client_id text references clients (id),
        created_by text references users (id),
        created_at bigint not null,
        updated_at bigint not null,
        unique (role_name, agent_type)
      );
CREATE TABLE delegations (
        id text primary key,
        client_id text not null unique references clients (id),
        user_id text not null references users (id),
        policy_id text not null references policies (id),
        permissions text not null,
        resources text not null,
        audience text not null,
        jti text not null,
        token blob not null,
        status text not null,
        ttl_seconds integer not null,
        created_at bigint not null,
        updated_at bigint not null,
        expires_at bigint not null
      );
CREATE TABLE keys (
        kid text primary key,
        purpose text not null,
        alg text not null,
        state text not null,
        public_jwk text,
        sealed_jwk blob not null,
        created_at bigint not null
      );
CREATE TABLE audit_events (
        seq bigint primary key,
        id text not null unique,
        record text not null,
        type text not null,
        outcome text not null,
        reason text,
        client text,
        subject text,
        jti text,
        parent_jti text,
        delegation text,
        txn text,
        occurred_at bigint not null
      );
CREATE INDEX audit_events_jti on audit_events (jti);
CREATE INDEX audit_events_parent_jti on audit_events (parent_jti);
CREATE INDEX audit_events_client on audit_events (client, seq);
CREATE INDEX audit_events_delegation on audit_events (delegation, seq);
CREATE TABLE audit_private (event_id text primary key, ip text, user_agent text);
insert into settings values ('schema_version', '1');
insert into settings values ('authority_revision', '11');
insert into settings values ('tenant_id', '02be52d9-d19c-4351-9f28-2a41f12e4134');
insert into settings values ('log_id', 'authsec/375ac2c03acf45e88b8a4a9430b22312');
insert into settings values ('issuer', 'http://127.0.0.1:7468');
insert into settings values ('seeded_agent', '1a083e37-cecf-497e-b95a-5020aa2e67ea');
insert into users values ('a9c9092f-b14d-446b-8546-a083bb09d84b', 'admin@authsec.test', 1, 1795510800000);
insert into users values ('c5b2e0a8-4547-4311-a63e-06642a20f660', 'alice@authsec.test', 1, 1795510800000);
insert into users values ('fac1e7fa-f666-4f01-b0ea-8f04f076ae90', 'bob@authsec.test', 1, 1795510800000);
insert into roles values ('admin', '["billing:read","billing:refund","orders:read","profile:read","admin:access"]');
insert into roles values ('member', '["billing:read","billing:refund","orders:read","profile:read"]');
insert into role_bindings values ('a9c9092f-b14d-446b-8546-a083bb09d84b', 'admin');
insert into role_bindings values ('c5b2e0a8-4547-4311-a63e-06642a20f660', 'member');
insert into role_bindings values ('fac1e7fa-f666-4f01-b0ea-8f04f076ae90', 'member');
insert into clients values ('1a083e37-cecf-497e-b95a-5020aa2e67ea', 'demo-agent', 'demo-agent@authsec.test', 'ai_agent', 'langchain', 'spiffe://example.org/tenants/02be52d9-d19c-4351-9f28-2a41f12e4134/agents/langchain/1a083e37-cecf-497e-b95a-5020aa2e67ea', null, '{}', 1, 1795510800000, 1795510800000);
insert into resources values ('https://billing.example', '["billing:read","billing:refund"]', null, 1795510800000);
insert into resources values ('https://profile.example', '["profile:read"]', null, 1795510800000);
insert into resources values ('https://orders.example', '["orders:read"]', null, 1795510800000);
insert into policies values ('787c9c7c-43c2-4510-8ad8-480cb94bb8cd', 'member', 'langchain', '["billing:read","orders:read","profile:read"]', '["https://billing.example","https://profile.example","https://orders.example"]', 86400, 1, null, null, 1795510800000, 1795510800000);
insert into delegations values ('3e8fef2f-6611-4921-8757-0dc91d151bf4', '1a083e37-cecf-497e-b95a-5020aa2e67ea', 'c5b2e0a8-4547-4311-a63e-06642a20f660', '787c9c7c-43c2-4510-8ad8-480cb94bb8cd', '["billing:read","orders:read","profile:read"]', '["https://billing.example","https://profile.example","https://orders.example"]', '["authsec-api"]', '4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c', x'010175d6a37bc1bb549899c238a9c1198e7f71f3d54c86ab4637ac63aa1ea7bc3bddf089546856328ae8d5bc893a9260e4d0cb5336eeb556563b41956d4ffd2537b77d4f4c21cc620e709b371d85b1d3d89edfc5181f7e5632dab3abbb5668cda19c39aefeea46a6876c02fcc01a3caf7424cf36436d910d61dbe27967b3ec706fde84d62851898f57318e4b28ca2b4bb8ccb537ca0cb0815af96e2107b18fe7a4a5e2647a4928cb8a6c7a73d7f0de3897438cef0a54c9d6e829dc504238a1f8dd0bf5f6ee3662cdeae9ee41349bc81638cb57287fe08507d403400078569afd615c208148ef266298a1c063034da8d21f3efef21c5faf73285c42ac63630bdd7da4d123eead4de6eeb56518dd5e0f1938a92653c34d058cda525fad672146263dfd3b4e0d8f613f0fbb8463c9c816c6abc2a5a7b07ae4edf20c50b6dd82d11f57e5fd3d1dfc9f50d558b32d773893a96d668bfebe2fe9d053143b175da0fb43db223bb9ed4089e70d1385d8d240eb348cb24c38ed0fbae708eb2670242ad68ab25bb500aa1701a50379367abc1bd125873dcff5be1ac99bcaa699a70ab00757c5e2a48e39b2f5661b69bc09db237dfd6b646d540868e9f3008107cf4f33d80252fec505bc0485e692163f0109c328ea386e8f6705d7d0e66682954c962a8d6572ffc98ad2469b888da9d70bfad98105d9173db618972f59bc1b0a3c6c54c95f7f048c2518f9a05e6c1e71d5b4bfd217a54f5d67de327e0d33f8a6d21c3e435569c0509c75f12b1d44c691231a8ab682b864e2b44c6ec4b32a6a35b5a554078a00cd1cb32006315bddabc1c994742737e4a638fc54d9f3f6544078c2f29b78423bb9643063a876c4bab62a808a4c2974680b39437dc5185be29a7d47085a2b3bd965d23eebf07b96b692755e0c563b07b80abc7717606deb44cca786ba2215c3d395ea29720cf61d65583a0f708d959d49942c28d4d5cf8954b723375e391b97378a95f643dd72e620f8d5618f279b2369a4fcd0d178c4a7d3e60d4460fca66dc15fb1a73d0be063f05e58841a6ae76c83de5c1650de82f6956c1957465239b31ee6b8facdd8304a0fb90288b30e25d40ef3438ae268503e37250ac62fe0082881869b8a032e12ba8ef3f88fc5a1fbe437ab689e47d82dfc37489e954d918a2af498ab9c3a349c440db8ff9ac8940442873992293f74565767a2dda277996695ab6cdedde3cac365bef51f9d30eea6c56f8e2118a000799e282ed0a80c65d5e68b49edd3a21e832409ea29a84b0e3610f867b77aee36ba7b5f6ae567422930b1f0e8d5dcd15f79fb09c43bf9645559c055c1a0791fd017050cd883c77edf5deee870da6e6985cfdcde646459f8d206a144ffb9af62a201642c8c37144344f8075a85e398f716a77d8cdf8ef03651764d6a6fe9d3e58620b15bdf00f7524fb5aa69da9b10124bcdec143717b154f7a6a9caa4410c6f03aab4c698faf282a9dfca43c2a78f8e82f107a5e2925bdc48645d1597e4d851b52b0c8ccb54fa2b45c369dfecb2aea8c5ea5e5256c21b041980872ecc0356421008e8372ba654ca357d9b81073029bf6f', 'active', 86400, 1795510800000, 1795510800000, 1795597200000);
insert into keys values ('_WexZzPl-s1bxOFXmheUoxes1zMo9EypaOwDq-z8Awg', 'call', 'ES256', 'active', '{"kty":"EC","x":"4UbLz6TaGVX9KtnS7ynChskOYqVB94nmoB-4nx32BcE","y":"VPmQWFGrYzy5oKCKOrv8Ss_hKjRICwVBhsfJ9Hj5y-w","crv":"P-256"}', x'01010569a50acd6773682257693259832cb1f264fa77a4be3a9ba0bbeea54af8a714845ef1b7c16aea64b300766197fca425f3fa2e926258c19cd3f982e7effc72553db50002bd3ca44d674bc2d6563564a7e1d69ec559b64df0d34bc00f0accfe2cf14f41b7da27e2fb93893da049b0e68e9b51b05ca60661c751763736f171a3905eb07e5197adbfa6fc4654060412c70073811e5356981bcde3c1c43da42905ff9ce83aa311f3909c2390b34ac3be96ed7b6d625c79f43a75b7ee4b1688747a8a884756381f1f0d3ff185c071', 1795510800000);
insert into keys values ('zSOcSLPUG2J4R9PK45A_jSvlkwQSYY6Tfn_r_ESC4-o', 'base', 'RS256', 'active', '{"kty":"RSA","n":"k7gQ644cjhwn_OTX0xAWvM6CXpRaaxZirq3KQVNA3pPmOfLPc3Pfe81kLyxscknyuYEBUAPxvimwd8aWBiKOWXwI6CTLf-e4-2wVCeIO6R-sb0EIUjIkMjkz_GkBJyjht0iE-gUwGPwQui3y7AP7aHl9sYHMoqGw-Q74txn05iWgCSV6SqjHnxWmytmhRZg52rjiSsNl8hbG8Lm1kDF0Sbpc4ido7j0IdU1d7gHMMNnt-WLfu7uXcxCrE2QUU9oK95dpWOY7FOrIYidwXOcRC3bfM-yhGY6EGfHRnhMg6hDYnLRgMhO7H97_HlCSKMr5S9RF7rZcmPIxYyKlPdBjsQ","e":"AQAB"}', x'0101e67671d2f0112b81132577d36431f388e2eb11d7ffd4c6cbe6ebd668c469abafe5d9164d8a7a4f24243b0cdaa0b233678f1c16da6ab0eae23b64ea1db562be49f49f306636abed21a036a53a10d2094650c4f43f90110ab03c90e4135f4fa829f3830b5e18106321fe331446a3e988d67ccb974dd8a5d0538e55b29c0d3565d74570d9091c9cee24f77e4179380bde837d3203ae072f9b1d1f1130f3dd526730eda21938db7e8988522608bd6a4ab497b9f382778cb1d356959b7385f0976176548c1b2dbaf970f053709ae3ee8bd9bdbb7dddcf29cdd58338817b7df690b667f47274b26ede0662209132f656ecaa347d6f67daff14c3f2b75b009ae02821a232108b91aef1c6f7bd5a95f376571f7a9837bfae6e991d43fecbbc15cdbb6b900b8976d1b81c2f9ef00b09de2b6f2478461b8d134d2b2dce616ebf9aa79f4068bc71ebc74a9f947f610d2c873e510b22af40ec2e79b253959d6ac5b9cd9af1b6b387bafaeca62505d736d74378d679fb6904468cb11c18731ffec81e6fb7e6fc64aaac62724cab574914b356b9fad8007241ca21db14c658bc97189b89d6260984a11f5c2364689002911aab08921265f7302f4bf71ba54eb21a8d5041fc7580538ccede9fd71cc00fc1b7a18f2f0a77dc6ad237f0f4f1b1720025ad263ce5d564e859988367e109198127f9487382c7bc339bce10f9565064caa1427ff1d7069d30d39127fba6d519db348abe49c282b6f7ac08ff17733698be6ecc2b4b5273a87122cba2aff708d06efa56a12f96ec3833a765f41de9f7f548bd4d8dc7024648e8a5b4d35063c2811b3a3146c267122fc98e7878ec3d5b5e935b43f3adb12175a7008c3ae6e8eaf4f15b798944d1af97fc218bbe3bd8c374e74195919bc116fb35d2ba88b849a484c63b053a1fb3ee1883161232a1c1f3a864e62bfeb75d70b017054ab563679b678400afd4e33739e0b31764d530c57aafb7d698f5b0e13b4bfe9f5f6a0004448f1d6bf82ac98ca5c861176d151613879988f515a309eaa6ab1e7a65e3ae355cc70f95d453d5255fcf2fc170ec2834de923a94f8543a158f5c43324474d852a432b7e3bd059431e0a6c66bd896feca161490ebc706aea7d3bc0efe8b0787cc13531ed5258a8327b69db0f2d2024d6f025430f8a93b526dc1cb5d7d9c89836deca4e86262a21116465b449b4d49246bdda028678a123ba495494fa5e26c4b6cddd4c83e4b7f27877811aa662a03c869d433aa5aebd599389f3af43b67e694e11a879fd5572e3becab8a3641b8dc228a83d56afa1399b198237a547051f6f54aebcb2f5e5e2e56c65b0f149820e7ac225a005a51335f22624ff110bbaa0db6705b9d38693515dd45dd2719104595a56a936d4db3242990c44685b155fb03f45398024f3596fc70010806f47207b8206262d68547a6bcef665eb9b4e9bb81584819d8f72b990e1610db23cc382ba0697674a472b68393f3fe21f4096e286f93189dce085ad4579491bd54fc63213a50885a3e93f678084a0ddc0aa9b35aa2f684a0687d078d9b5acdc8275ac03302d5b78973cf285eb548c8999dc57f99c13db2ca1dd6c468c6032b98797e42b4903124cbd4e041bce64f1c0f225dabdabb7914f5ae5c83fc9f341501bdb00c7d8ff3b2253bd609121a701dda83fb88ff5edceb564b41b50f92234e70b9f2185ec2978e7d442b9aaf4d9f0a80d8e284ec7a5b2310fdce4a5e91aaa478da679e44fecadede3a375e8fb7d093371b5d0eb15f2dc9d04a480f200e31d561049ce834db4aeb284b2054cbcc6084accb28d21fd0a0a8efa405704bffd0f8fbc75cb57b28d93898ba6b629f4ebf4c68945157d99524a7390fac09a1f729592f2bd5ad3e502670be3b138299da267daa10919402026ca1d3721ba4856b03350660bd7400dcbaf9c4b56810bb5622299398f3dd2d96597667515ddec16dab7415d3cc4ca151a3a90951e79322f3478c9b0c3453bb8ae1d8545de742eafbcf37a901e88c7cb804f96ce93f2f65306951b11c2c1379b7d04ef8d7311a0531f38a0fecef6398fbedbf42787ff5c8e528a9e7aaf907b921fe9a2820621ae7c5b447961a574bdf3e0b60abaaa3a198c05b10d21c775e98bd8ee87fee33802f8b3f402756747b970d56acef216ae0e2dd9a1457b25464203dcdcd39f3514d34503f0a48679ee636228ac01ea833b6def99eca2c44f6dfcadb9218e5d1fd488983779b424460c05e1f843a2f222f1d01090ceeae7a30c1301717d76272c967c78d3cd2dfa3482bf90f18db19b243320b65abc8950ad4068756436b4c1055b2', 1795510800000);
insert into keys values ('AM8W9N1U-lash32tVFPb36gubfWtIZDWZuYczg43z9o', 'session', 'HS256', 'active', null, x'0101484a74abcfde4fa7cbf245ad1a4669e86d016b6a8c1ca3e7a3db122acf28d9b584073fff82209cd8a0e6909e45a8f4077d2a0ae5f51f92cfc5404b77f6eeb7c0016ca2927386040f1d2309f3fa064f654f2375de738514ec58b523', 1795510800000);
insert into audit_events values (0, '01a20cc8-8e80-77a6-8942-74a905f0aa02', '{"actor":{"id":"8c044285-7359-4dc6-b899-b6a8123327c0","type":"server"},"boot":"8c044285-7359-4dc6-b899-b6a8123327c0","details":{"url":"http://127.0.0.1:7468"},"id":"01a20cc8-8e80-77a6-8942-74a905f0aa02","log":"authsec/375ac2c03acf45e88b8a4a9430b22312","occurred_at":"2026-11-24T09:00:00.000Z","outcome":"allow","request_id":"server","source":"server","tenant":"02be52d9-d19c-4351-9f28-2a41f12e4134","type":"server.started","v":1}', 'server.started', 'allow', null, null, null, null, null, null, null, 1795510800000);
insert into audit_events values (1, '01a20cc8-8e80-71d9-b590-3c8f00b214fb', '{"actor":{"id":"c5b2e0a8-4547-4311-a63e-06642a20f660","type":"user"},"aud":["authsec-api"],"boot":"8c044285-7359-4dc6-b899-b6a8123327c0","client":"1a083e37-cecf-497e-b95a-5020aa2e67ea","delegation":"3e8fef2f-6611-4921-8757-0dc91d151bf4","details":{"resources":["https://billing.example","https://profile.example","https://orders.example"],"ttl_seconds":86400},"id":"01a20cc8-8e80-71d9-b590-3c8f00b214fb","jti":"4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c","log":"authsec/375ac2c03acf45e88b8a4a9430b22312","occurred_at":"2026-11-24T09:00:00.000Z","outcome":"allow","permissions":{"granted":["billing:read","orders:read","profile:read"]},"policy":"787c9c7c-43c2-4510-8ad8-480cb94bb8cd","request_id":"server","source":"server","subject":{"id":"c5b2e0a8-4547-4311-a63e-06642a20f660","type":"user"},"tenant":"02be52d9-d19c-4351-9f28-2a41f12e4134","token_hash":"p8oF-gHe__K9t0Gw5aGoNrSZCEeqXpV6TEbASh7_7Yc","type":"delegation.granted","v":1}', 'delegation.granted', 'allow', null, '1a083e37-cecf-497e-b95a-5020aa2e67ea', 'c5b2e0a8-4547-4311-a63e-06642a20f660', '4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c', null, '3e8fef2f-6611-4921-8757-0dc91d151bf4', null, 1795510800000);
insert into audit_events values (2, '01a20cc8-8e80-7613-837d-fe6a6bec827e', '{"actor":{"id":"8c044285-7359-4dc6-b899-b6a8123327c0","type":"server"},"boot":"8c044285-7359-4dc6-b899-b6a8123327c0","id":"01a20cc8-8e80-7613-837d-fe6a6bec827e","jti":"62ba2eee-5651-4b8d-a6f1-800babc0206d","log":"authsec/375ac2c03acf45e88b8a4a9430b22312","occurred_at":"2026-11-24T09:00:00.000Z","outcome":"allow","request_id":"server","source":"server","subject":{"id":"a9c9092f-b14d-446b-8546-a083bb09d84b","type":"user"},"tenant":"02be52d9-d19c-4351-9f28-2a41f12e4134","token_hash":"Qpd_EpWOFS-khejWoUMEQ7Z4t3Qt249i70dNr5bJSVw","type":"session.started","v":1}', 'session.started', 'allow', null, null, 'a9c9092f-b14d-446b-8546-a083bb09d84b', '62ba2eee-5651-4b8d-a6f1-800babc0206d', null, null, null, 1795510800000);
insert into audit_events values (3, '01a20cc8-8e80-78c6-b2ef-cce91326c198', '{"actor":{"id":"1a083e37-cecf-497e-b95a-5020aa2e67ea","type":"client"},"aud":["authsec-api"],"boot":"8c044285-7359-4dc6-b899-b6a8123327c0","client":"1a083e37-cecf-497e-b95a-5020aa2e67ea","delegation":"3e8fef2f-6611-4921-8757-0dc91d151bf4","id":"01a20cc8-8e80-78c6-b2ef-cce91326c198","jti":"4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c","log":"authsec/375ac2c03acf45e88b8a4a9430b22312","occurred_at":"2026-11-24T09:00:00.000Z","outcome":"allow","permissions":{"granted":["billing:read","orders:read","profile:read"]},"request_id":"921fee3f-fa59-4b36-8c04-b6b980d0fa2c","source":"GET /uflow/sdk/delegation-token","subject":{"id":"c5b2e0a8-4547-4311-a63e-06642a20f660","type":"user"},"tenant":"02be52d9-d19c-4351-9f28-2a41f12e4134","token_hash":"p8oF-gHe__K9t0Gw5aGoNrSZCEeqXpV6TEbASh7_7Yc","type":"delegation.pulled","v":1}', 'delegation.pulled', 'allow', null, '1a083e37-cecf-497e-b95a-5020aa2e67ea', 'c5b2e0a8-4547-4311-a63e-06642a20f660', '4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c', null, '3e8fef2f-6611-4921-8757-0dc91d151bf4', null, 1795510800000);
insert into audit_events values (4, '01a20cc8-8e80-7c01-b530-15a6e3ab6024', '{"act":{"client_id":"1a083e37-cecf-497e-b95a-5020aa2e67ea","sub":"spiffe://example.org/tenants/02be52d9-d19c-4351-9f28-2a41f12e4134/agents/langchain/1a083e37-cecf-497e-b95a-5020aa2e67ea"},"actor":{"id":"1a083e37-cecf-497e-b95a-5020aa2e67ea","type":"client"},"aud":["https://billing.example"],"boot":"8c044285-7359-4dc6-b899-b6a8123327c0","client":"1a083e37-cecf-497e-b95a-5020aa2e67ea","delegation":"3e8fef2f-6611-4921-8757-0dc91d151bf4","details":{"expires_in":60},"id":"01a20cc8-8e80-7c01-b530-15a6e3ab6024","jti":"3bc74211-8390-4861-80a9-29cda0530c37","kid":"_WexZzPl-s1bxOFXmheUoxes1zMo9EypaOwDq-z8Awg","log":"authsec/375ac2c03acf45e88b8a4a9430b22312","occurred_at":"2026-11-24T09:00:00.000Z","outcome":"allow","parent_jti":"4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c","permissions":{"granted":["billing:read"]},"policy":"787c9c7c-43c2-4510-8ad8-480cb94bb8cd","request_id":"4914ad9c-1e79-4385-adf3-61675686bf75","source":"POST /oauth/token","subject":{"id":"c5b2e0a8-4547-4311-a63e-06642a20f660","type":"user"},"tenant":"02be52d9-d19c-4351-9f28-2a41f12e4134","token_hash":"IeZIvgkGDpsTonuKzsjPxvuxWULzDXszhjixWOYB-to","txn":"1de8cccb-0909-4e19-961d-ea539f5af163","type":"token.exchanged","v":1}', 'token.exchanged', 'allow', null, '1a083e37-cecf-497e-b95a-5020aa2e67ea', 'c5b2e0a8-4547-4311-a63e-06642a20f660', '3bc74211-8390-4861-80a9-29cda0530c37', '4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c', '3e8fef2f-6611-4921-8757-0dc91d151bf4', '1de8cccb-0909-4e19-961d-ea539f5af163', 1795510800000);
insert into audit_events values (5, '01a20cc8-8e80-7e36-ade3-1e064e5dab7a', '{"actor":{"id":"1a083e37-cecf-497e-b95a-5020aa2e67ea","type":"client"},"aud":["https://evil.example"],"boot":"8c044285-7359-4dc6-b899-b6a8123327c0","client":"1a083e37-cecf-497e-b95a-5020aa2e67ea","id":"01a20cc8-8e80-7e36-ade3-1e064e5dab7a","log":"authsec/375ac2c03acf45e88b8a4a9430b22312","occurred_at":"2026-11-24T09:00:00.000Z","outcome":"deny","parent_jti":"4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c","reason":"invalid_target","request_id":"dfbb5b18-edcb-4016-b1fb-4c61c160cab3","source":"POST /oauth/token","subject":{"id":"c5b2e0a8-4547-4311-a63e-06642a20f660","type":"user"},"tenant":"02be52d9-d19c-4351-9f28-2a41f12e4134","type":"token.exchanged","v":1}', 'token.exchanged', 'deny', 'invalid_target', '1a083e37-cecf-497e-b95a-5020aa2e67ea', 'c5b2e0a8-4547-4311-a63e-06642a20f660', null, '4bfbd0c4-fd3e-4e3e-babe-150e14d90d5c', null, null, 1795510800000);
insert into audit_events values (6, '01a20cc8-8e80-7570-918a-72673b0b5f0a', '{"actor":{"id":"8c044285-7359-4dc6-b899-b6a8123327c0","type":"server"},"boot":"8c044285-7359-4dc6-b899-b6a8123327c0","details":{"url":"http://127.0.0.1:7468"},"id":"01a20cc8-8e80-7570-918a-72673b0b5f0a","log":"authsec/375ac2c03acf45e88b8a4a9430b22312","occurred_at":"2026-11-24T09:00:00.000Z","outcome":"allow","request_id":"server","source":"server","tenant":"02be52d9-d19c-4351-9f28-2a41f12e4134","type":"server.stopped","v":1}', 'server.stopped', 'allow', null, null, null, null, null, null, null, 1795510800000);
insert into audit_private values ('01a20cc8-8e80-78c6-b2ef-cce91326c198', '127.0.0.1', 'node');
insert into audit_private values ('01a20cc8-8e80-7c01-b530-15a6e3ab6024', '127.0.0.1', 'node');
insert into audit_private values ('01a20cc8-8e80-7e36-ade3-1e064e5dab7a', '127.0.0.1', 'node');
