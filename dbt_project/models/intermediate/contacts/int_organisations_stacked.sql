with

hubspot as (
    select
        companies.*,
        owners.owner_name
    from {{ ref('stg_hubspot__companies') }} as companies
    left join {{ ref('stg_hubspot__owners') }} as owners on companies.owner_id = owners.owner_id
),

pipedrive as (
    select
        organizations.*,
        users.user_name
    from {{ ref('stg_pipedrive__organizations') }} as organizations
    left join {{ ref('stg_pipedrive__users') }} as users on organizations.owner_id = users.user_id
),

lexware_office as (
    select * from {{ ref('stg_lexware_office__contacts') }}
),

collective_accounts as (
    select * from {{ ref('datev_collective_accounts') }}
),

-- Several clients may use one account; the newest export tells best who it is. A collective account
-- (Sammelkonto) is nobody.
datev as (
    select debtors.*
    from {{ ref('stg_datev__debtors') }} as debtors
    left join collective_accounts on debtors.account = collective_accounts.account
    where collective_accounts.account is null
    qualify
        row_number() over (
            partition by debtors.account
            order by debtors.load_id desc, debtors.customer_number asc
        ) = 1
),

buyers as (
    select * from {{ ref('int_buyers_recorded') }}
    where is_known_by_documents_alone
),

final as (
    select
        'hubspot' as source,
        company_id as record_id,
        customer_number,
        company_name as name,
        false as is_natural_person,
        street,
        postcode,
        city,
        country as written_country,
        vat_id,
        domain,
        website,
        phone,
        null as email,
        acquisition as written_acquisition,
        acquisition_detail,
        owner_name as owner,
        created_at,
        updated_at
    from hubspot
    union all
    select
        'pipedrive' as source,
        organization_id as record_id,
        null as customer_number,
        organization_name as name,
        false as is_natural_person,
        street,
        postcode,
        city,
        country as written_country,
        vat_id,
        null as domain,
        website,
        null as phone,
        null as email,
        acquisition as written_acquisition,
        null as acquisition_detail,
        user_name as owner,
        created_at,
        updated_at
    from pipedrive
    union all
    select
        'lexware_office' as source,
        contact_id as record_id,
        customer_number,
        customer_name as name,
        not is_company as is_natural_person,
        street,
        postcode,
        city,
        country as written_country,
        vat_id,
        null as domain,
        null as website,
        coalesce(phone, mobile) as phone,
        email,
        null as written_acquisition,
        null as acquisition_detail,
        null as owner,
        null as created_at,
        null as updated_at
    from lexware_office
    union all
    select
        'datev' as source,
        account as record_id,
        customer_number,
        customer_name as name,
        coalesce(
            customer_name = {{ cleaned_text("concat_ws(' ', first_name, last_name)") }}, false
        ) as is_natural_person,
        street,
        postcode,
        city,
        country as written_country,
        vat_id,
        null as domain,
        null as website,
        phone,
        email,
        null as written_acquisition,
        null as acquisition_detail,
        null as owner,
        null as created_at,
        null as updated_at
    from datev
    union all
    select
        source,
        record_id,
        customer_number,
        customer_name as name,
        false as is_natural_person,
        null as street,
        null as postcode,
        null as city,
        null as written_country,
        null as vat_id,
        null as domain,
        null as website,
        null as phone,
        email,
        null as written_acquisition,
        null as acquisition_detail,
        null as owner,
        {{ parse_timestamp('cast(first_invoiced_on as ' ~ dbt.type_string() ~ ')') }} as created_at,
        {{ parse_timestamp('cast(last_invoiced_on as ' ~ dbt.type_string() ~ ')') }} as updated_at
    from buyers
)

select * from final
