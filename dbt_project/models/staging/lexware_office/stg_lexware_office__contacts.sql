with

contacts as (
    {{ current_records(source('raw_lexware_office', 'contacts'), ['id']) }}
),

final as (
    select
        id as contact_id,
        {{ cleaned_text('customer_number') }} as customer_number,
        coalesce(
            {{ cleaned_text('company_name') }},
            {{ cleaned_text("concat_ws(' ', first_name, last_name)") }}
        ) as customer_name,
        {{ cleaned_text('company_name') }} is not null as is_company,
        {{ cleaned_text('salutation') }} as salutation,
        {{ cleaned_text('first_name') }} as first_name,
        {{ cleaned_text('last_name') }} as last_name,
        {{ cleaned_text('vat_id') }} as vat_id,
        {{ json_text('billing_addresses', '$[0].street') }} as street,
        {{ json_text('billing_addresses', '$[0].zip') }} as postcode,
        {{ json_text('billing_addresses', '$[0].city') }} as city,
        upper({{ json_text('billing_addresses', '$[0].countryCode') }}) as country,
        lower(
            coalesce(
                {{ json_text('emails', '$.business[0]') }},
                {{ json_text('emails', '$.office[0]') }},
                {{ json_text('emails', '$.private[0]') }},
                {{ json_text('emails', '$.other[0]') }}
            )
        ) as email,
        coalesce(
            {{ json_text('phones', '$.business[0]') }},
            {{ json_text('phones', '$.office[0]') }},
            {{ json_text('phones', '$.private[0]') }},
            {{ json_text('phones', '$.other[0]') }}
        ) as phone,
        {{ json_text('phones', '$.mobile[0]') }} as mobile,
        contact_persons,
        coalesce({{ parse_flag('archived') }}, false) as is_archived,
        _load_id as load_id
    from contacts
)

select * from final
