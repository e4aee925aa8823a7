def test_smoke(api, register, found, join, messages):
    ana, ben = register("ana"), register("ben")
    g = found(ana, scope="local", place={"name": "W", "country": "US", "location": {"lat": 38.9, "lon": -77}})
    join(g, ben)
    for path in (
        "/v1/me",
        f"/v1/people/{ana.handle}",
        f"/v1/groups/{g.slug}",
        f"/v1/groups/{g.id}/members",
        "/v1/me/groups",
        "/v1/interests?prefix=ki",
        "/v1/groups?interest=kittens&near=38.9,-77.1",
        "/v1/groups?interest=x&interest=kittens",
        "/v1/groups?interest=x&interest=kittens&near=38.9,-77.1",
        "/v1/groups?interest=x&interest=kittens&match=any&near=38.9,-77.1&widen=true",
        "/v1/me/export",
        "/v1/tokens",
    ):
        a = api.get(path, as_=ana.caller)
        print(path, a.status, a.headers, a.body.decode())
    a = api.post("/v1/sessions", {"handle": ana.handle, "password": "correct horse battery"})
    print(a)
    a = api.post("/v1/sessions/refresh", {"refresh_token": a.json()["refresh_token"]})
    print(a)
    a = api.post("/v1/tokens", {"name": "x", "scopes": ["read"]}, as_=ana.caller)
    print(a)
    print(api.patch(f"/v1/groups/{g.id}", {"summary": "x"}, as_=ana.caller))
    print(api.delete(f"/v1/groups/{g.id}/members/me", as_=ana.caller))
    print(api.patch(f"/v1/groups/{g.id}/members/{ben.handle}", {"role": "moderator"}, as_=ana.caller))
    print(api.delete("/v1/me", as_=ana.caller))
    for m in messages(g.id, 4):
        print(m)
