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
    where is_company
),

-- Several clients may use one account; the newest export tells best who it is.
datev as (
    select *
    from {{ ref('stg_datev__debtors') }}
    where
        customer_name
        is distinct from {{ cleaned_text("concat_ws(' ', first_name, last_name)") }}
    qualify row_number() over (partition by account order by load_id desc, customer_number asc) = 1
),

sales_list as (
    select
        *,
        cast(invoiced_on as {{ dbt.type_string() }}) || load_id
        || lpad(cast(file_row as {{ dbt.type_string() }}), 12, '0') as arrival
    from {{ ref('stg_sales_list__lines') }}
    where customer_number is not null
),

final as (
    select
        'hubspot' as source,
        company_id as record_id,
        customer_number,
        company_name as name,
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
        'sales_list' as source,
        customer_number as record_id,
        customer_number,
        max_by(customer_name, arrival) filter (where customer_name is not null) as name,
        null as street,
        null as postcode,
        null as city,
        null as written_country,
        null as vat_id,
        null as domain,
        null as website,
        null as phone,
        max_by(email, arrival) filter (where email is not null) as email,
        null as written_acquisition,
        null as acquisition_detail,
        null as owner,
        {{ parse_timestamp('cast(min(invoiced_on) as ' ~ dbt.type_string() ~ ')') }} as created_at,
        {{ parse_timestamp('cast(max(invoiced_on) as ' ~ dbt.type_string() ~ ')') }} as updated_at
    from sales_list
    group by customer_number
)

select * from final
