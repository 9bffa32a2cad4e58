with

organisations as (
    select * from {{ ref('int_organisations_unioned') }}
),

contacts as (
    select * from {{ ref('int_contacts_unioned') }}
),

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

-- Of a customer that is an organisation its records count, of one that is a person the person's.
records as (
    select
        identities.customer_id,
        organisations.source,
        organisations.record_id,
        organisations.customer_number,
        organisations.name,
        organisations.street,
        organisations.postcode,
        organisations.city,
        organisations.country,
        organisations.email,
        organisations.phone,
        organisations.website,
        organisations.vat_id,
        organisations.acquisition,
        organisations.owner,
        organisations.updated_at
    from organisations
    inner join identities
        on
            organisations.source = identities.source
            and organisations.record_id = identities.record_id
            and identities.record_kind = 'organisation'
    union all
    select
        identities.customer_id,
        contacts.source,
        contacts.record_id,
        contacts.customer_number,
        contacts.full_name as name,
        contacts.street,
        contacts.postcode,
        contacts.city,
        contacts.country,
        contacts.email,
        coalesce(contacts.mobile, contacts.phone) as phone,
        null as website,
        null as vat_id,
        null as acquisition,
        contacts.owner,
        contacts.updated_at
    from contacts
    inner join identities
        on
            contacts.source = identities.source
            and contacts.record_id = identities.record_id
            and identities.record_kind = 'person'
            and identities.customer_id = identities.entity_id
),

-- What belongs together is taken together: no street of one system with the city of another.
stacked as (
    {% for group, value, others in [
        ('customer_number', 'customer_number', []),
        ('name', 'name', []),
        ('address', 'street', ['postcode', 'city', 'country']),
        ('email', 'email', []),
        ('phone', 'phone', []),
        ('website', 'website', []),
        ('vat_id', 'vat_id', []),
        ('acquisition', 'acquisition', []),
        ('owner', 'owner', []),
    ] %}
        select
            customer_id,
            source,
            record_id,
            updated_at,
            '{{ group }}' as field_group,
            {{ value }} as value,
            {{ 'postcode' if 'postcode' in others else 'null' }} as postcode,
            {{ 'city' if 'city' in others else 'null' }} as city,
            {{ 'country' if 'country' in others else 'null' }} as country
        from records
        where {{ value }} is not null{{ ' or city is not null' if others else '' }}
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

final as (
    select
        customer_id,
        source,
        record_id,
        updated_at,
        field_group,
        value,
        cast(postcode as {{ dbt.type_string() }}) as postcode,
        cast(city as {{ dbt.type_string() }}) as city,
        cast(country as {{ dbt.type_string() }}) as country,
        case when value is not null then 1 else 0 end
        + case when postcode is not null then 1 else 0 end
        + case when city is not null then 1 else 0 end as known_parts
    from stacked
)

select * from final
