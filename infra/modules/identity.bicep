// Two identities: the app's, which reads and writes rows and cannot change the schema, and the migrator's, which prepares the
// database and is a member of the administrators' group. User-assigned, so that roles and database users outlive the app.

@description('Name of the identity that the app runs as.')
param appIdentityName string

@description('Name of the identity that migrates the database.')
param migratorIdentityName string

@description('Where the identities are kept.')
param location string

@description('Tags of the resources.')
param tags { *: string }

resource appIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: appIdentityName
  location: location
  tags: tags
}

resource migratorIdentity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: migratorIdentityName
  location: location
  tags: tags
}

@description('Client id of the app\'s identity: AZURE_CLIENT_ID, and what the SID of its database user is made of.')
output appIdentityClientId string = appIdentity.properties.clientId

@description('Object id of the migrator\'s service principal: what is added to the administrators\' group.')
output migratorIdentityPrincipalId string = migratorIdentity.properties.principalId
