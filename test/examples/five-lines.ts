import { createAuthsecClient } from 'authsec'

const { AUTHSEC_SERVER, AUTHSEC_CLIENT_ID, BILLING_URL } = process.env
const authsec = createAuthsecClient({ serverUrl: AUTHSEC_SERVER!, clientId: AUTHSEC_CLIENT_ID! })
const token = await authsec.getDelegationToken({
  audience: 'https://billing.example',
  permissions: ['billing:read'],
})
const bill = await fetch(`${BILLING_URL}/bill`, { headers: { authorization: token.authorization() } })
console.log(await bill.json())
